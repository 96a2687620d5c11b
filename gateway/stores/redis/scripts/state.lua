-- What every money script knows; comes first, after `local AMPLE = …`. The loader puts all that
-- follows into one function: a function that is made of locals around it costs the more, the more of
-- them there are, unless they are those of a function further out.
-- KEYS  1 account  2 grant index  3 grants  4 outbox        ARGV  1 account id  2 operation id
-- NUMBERS, where a script has them, come as one argument: doubles, packed little-endian.
-- State is read into memory, decided on there, and written by commit(): nothing is written
-- before all checks have passed. Amounts are integers below 2^53, which doubles hold exactly; a
-- number becomes text only through int(), because `..` and tostring print 1e+14. The clock is the
-- server's, nobody else's. A key that a script emptied is not touched by it again, be it to fill it
-- anew: while a slot moves to another node of a cluster, a script runs where all its keys are, and
-- an access to one that is no longer there breaks it off half-way.
--
-- What a script costs: each command about a microsecond; each byte that becomes a string of Lua
-- 1.5 ns, as all of them are hashed; printing a number as much as half a command, packing it with
-- others a tenth of that; making a function or a table a tenth of a command. So what is needed
-- together is stored together, in doubles, and the number of commands depends neither on the
-- grants nor on the limits.
local call, min, max, format = redis.call, math.min, math.max, string.format
local KEYS, ARGV = KEYS, ARGV
local NEVER = 999999999999999
local NOTHING, LARGEST = -9007199254740991, 9007199254740991
local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local ACCOUNT, INDEX, GRANTS, OUTBOX, ACCOUNT_ID, OPERATION
-- status: the account's, false if it has none. books: what its field had. total: as decided.
-- grants: by id, those met so far. front, in_books: see open_account.
-- journal: heads and events of entries, in turn; knowns: what some of them have besides. See record.
local status, books, total, grants, journal, knowns, front, in_books
-- The buckets of those owners (account, project, key) that have limits. `cells` has four numbers
-- for each of them: its id, when it may be forgotten (0: never), held, used.
local blocks
-- alerts.lua: told by commit() of what is left and what was. came_in: new credit ('grant' or
-- 'period'); used_up: too little is left for a call.
local watch, came_in, used_up, left_before
local commit

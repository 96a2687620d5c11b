-- mark: write into an outbox that it went back in time, behind all that the history has of it: so
-- no later entry gets an id that is taken there, whatever this server's clock says. Stands alone.
-- KEYS  1 outbox        ARGV  1 the last id that the history has  2 account  3 kind  4 facts (JSON)
-- Reply: the entry's id.
local ms = tonumber(string.match(ARGV[1], '^%d+'))
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local id, last = '*', redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local last_ms = last and tonumber(string.match(last[1], '^%d+')) or 0
if now <= ms and last_ms <= ms then id = string.format('%d-0', ms + 1) end
local head = ARGV[3] .. '\n' .. ARGV[2] .. '\n' .. ARGV[1] .. '\n0\n0\n0\n'
return redis.call('XADD', KEYS[1], id, 'head', head, 'event', ARGV[4])

-- hold: a hold as it stands, or its tombstone. Comes after held.lua, which tells what is in it.
-- KEYS  1 due zset  2 hold        ARGV  1 the hold's id
-- Reply {} for an unknown one | {state, account, amount, overdraft, sequence, deadline ms (0: none),
--   charge of the checkpoint (-1: none), event, job, reservation, slices (id, amount, …), where,
--   held per bucket}
local text = redis.call('GET', KEYS[2])
if not text then return {} end
if #text == 1 then return {STATES[text], '', 0, 0, 0, 0, -1, '', '', '', {}, '', {}} end
local hold, slices = hold_of(text), {}
local more = hold.more or {}
for i, slice in ipairs(hold.slices) do slices[2 * i - 1], slices[2 * i] = slice.id, slice.amount end
return {hold.state, hold.account, hold.amount, hold.overdraft, more.sequence or 0,
        tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0), (more.checkpoint or {})[1] or -1,
        more.event or '', more.job or '', more.reservation or '', slices, hold.where, hold.in_bucket}

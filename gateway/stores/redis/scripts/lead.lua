-- lead: be the one process that drains the outboxes, or go on being it. Stands alone, without
-- common.lua.
-- KEYS  1 the journal's hash
-- ARGV  1 the history's id  2 who asks  3 lease ms  4 after how long a history counts as lost, ms
-- Reply 'ours' | 'others' | 'elsewhere': the outboxes belong to another history than that.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local v = redis.call('HMGET', KEYS[1], 'history', 'holder', 'until_ms')
local until_ms = tonumber(v[3] or 0)
if v[1] and v[1] ~= ARGV[1] and now < until_ms + ARGV[4] then return 'elsewhere' end
if v[2] ~= ARGV[2] and now < until_ms then return 'others' end
redis.call('HSET', KEYS[1], 'history', ARGV[1], 'holder', ARGV[2], 'until_ms',
           string.format('%d', now + ARGV[3]))
return 'ours'

-- move: to another plan, from now on. Whoever asks for a plan that the account is on changes
-- nothing, so several may ask at once. Stands alone, without common.lua.
-- KEYS  1 account  2 agenda        ARGV  1 plan  2 now, ms  3 account id  4 channel  5 what it is told
-- Reply: 1 if it moved.
local plan = redis.call('HGET', KEYS[1], 'plan')
if not plan or plan == ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'plan', ARGV[1], 'former', plan, 'since', ARGV[2])
redis.call('ZADD', KEYS[2], '0', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1

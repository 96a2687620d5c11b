-- claim: take some of the jobs that are to be asked for; for a while nobody else will get them.
-- Stands alone, without common.lua.
-- KEYS  1 open jobs        ARGV  1 how many at most  2 for how long, ms
-- Reply: the jobs' keys. One whose asker dies is due again after that time.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[1])
for _, job in ipairs(due) do
  redis.call('ZADD', KEYS[1], string.format('%d', now + ARGV[2]), job)
end
return due

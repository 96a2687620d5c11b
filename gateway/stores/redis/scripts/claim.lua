-- claim: take some of the jobs that are to be asked for; for a while nobody else will get them.
-- Stands alone, without common.lua.
-- KEYS  open jobs of some shards        ARGV  1 how many of each at most  2 for how long, ms
-- Reply: for each key the jobs' keys. One whose asker dies is due again after that time.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local claimed = {}
for i, open in ipairs(KEYS) do
  claimed[i] = redis.call('ZRANGEBYSCORE', open, '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[1])
  for _, job in ipairs(claimed[i]) do
    redis.call('ZADD', open, string.format('%d', now + ARGV[2]), job)
  end
end
return claimed

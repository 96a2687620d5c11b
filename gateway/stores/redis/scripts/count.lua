-- count: add to the counts of one day. Stands alone, without common.lua.
-- KEYS  1 the day's counts
-- ARGV  1 for how long they are kept, ms  2 how many are told apart
--       3.. what is counted, as what if it is new and there are so many already, how many
-- Reply: how many were told.
local kept = redis.call('HLEN', KEYS[1])
for i = 3, #ARGV, 3 do
  local name = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], name) == 0 then
    if kept < tonumber(ARGV[2]) then kept = kept + 1 else name = ARGV[i + 1] end
  end
  redis.call('HINCRBY', KEYS[1], name, ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return (#ARGV - 2) / 3

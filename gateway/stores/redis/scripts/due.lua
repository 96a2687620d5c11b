-- due: which holds' leases have run out. Stands alone, without common.lua.
-- KEYS  due zsets of some shards        ARGV  1 now, ms  2 how many of each at most
-- Reply: for each key the holds' ids.
local found = {}
for i, due in ipairs(KEYS) do
  found[i] = redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
end
return found

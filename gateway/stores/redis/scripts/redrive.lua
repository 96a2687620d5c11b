-- redrive: give a dead letter to its sink once more. Stands alone.
-- KEYS  1 dead letters  2 stream of repeats  3 sums        ARGV  1 dead letter
-- Reply: 1, or 0 if it is no longer there.
local call = redis.call
local found = call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not found then return 0 end
local fields, kept, sum = found[2], {}, {}
for i = 1, #fields, 2 do
  if fields[i] ~= 'reason' then kept[#kept + 1], kept[#kept + 2] = fields[i], fields[i + 1] end
  sum[fields[i]] = fields[i + 1]
end
if sum.message then call('HSET', KEYS[3], sum.identifier, sum.message)
else call('XADD', KEYS[2], '*', unpack(kept)) end
call('XDEL', KEYS[1], ARGV[1])
return 1

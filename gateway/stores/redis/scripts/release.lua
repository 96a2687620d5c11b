-- release: give back everything a hold took; nothing was served.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the reservation's order
-- ARGV  3 NUMBERS, per bucket: expires ms
-- Reply {'released', now, amount returned} | {'ended', now, ending}; the latter changes nothing.
-- An unknown hold gets a tombstone: a reserve still on its way will find it and take nothing.
local hold = read_hold()
if hold.state and hold.state ~= 'held' then return {'ended', NOW, hold.state} end
if hold.state then
  open_account()
  turn()
  resolve(hold, 0, false)
  local expires_ms = unpacked(ARGV[3])
  for i = 7, #KEYS do book_bucket(KEYS[i], hold.in_bucket[i - 6] or 0, 0, expires_ms[i - 6]) end
end
entomb('released')
if hold.state then commit() end
return {'released', NOW, hold.amount}

-- release: give back everything a hold took; nothing was served.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the reservation's order
--       last two, if it was kept for a job: the job, the open jobs
-- ARGV  3 NUMBERS, per bucket: expires ms
-- Reply {'released', now, amount returned} | {'ended', now, ending}; the latter changes nothing.
-- An unknown hold gets a tombstone: a reserve still on its way will find it and take nothing.
local hold, expires_ms = read_hold(), unpacked(ARGV[3])
end_job(KEYS[7 + #expires_ms], KEYS[8 + #expires_ms])
if hold.state and hold.state ~= 'held' then return {'ended', NOW, hold.state} end
if hold.state then
  open_account()
  turn()
  resolve(hold, 0, false)
  for i, ms in ipairs(expires_ms) do book_bucket(KEYS[6 + i], hold.in_bucket[i] or 0, 0, ms) end
end
entomb('released')
if hold.state then commit() end
return {'released', NOW, hold.amount}

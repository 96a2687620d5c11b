-- release: give back everything a hold took; nothing was served.
-- KEYS  1-4 as common.lua  5 due zset  6 hold
--       last two, if it was kept for a job: the job, the open jobs
-- Reply {'released', now, amount returned} | {'ended', now, ending}; the latter changes nothing.
-- An unknown hold gets a tombstone: a reserve still on its way will find it and take nothing.
local function release(k, _, keys)
  local hold = read_hold(k)
  if keys > 6 then end_job(KEYS[k + 7], KEYS[k + 8]) end
  if hold.state and hold.state ~= 'held' then return {'ended', NOW, hold.state} end
  if hold.state then
    local place = open_account(hold.where)
    turn()
    resolve(hold, 0, false)
    book_buckets(place, hold.in_bucket, {})
  end
  entomb('r')
  if hold.state then commit() end
  return {'released', NOW, hold.amount}
end

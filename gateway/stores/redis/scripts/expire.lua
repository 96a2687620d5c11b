-- expire: end a hold whose lease ran out. With a checkpoint it is charged to that, else given back.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the day's usage  8.. buckets in the reservation's order
--       last two, if it was kept for a job: the job, the open jobs
-- ARGV  3 NUMBERS  4 the checkpoint's event (JSON), its end and charge already set  5 model
--       6 pieces by kind, if there are any
-- NUMBERS  1 the sequence the caller saw  2.. per bucket: expires ms
-- Reply {'expired', now, charged} | {'live', now}: not due, extended meanwhile, or ended by someone else.
local hold, given = read_hold(), unpacked(ARGV[3])
local deadline = tonumber(call('ZSCORE', DUE, OPERATION) or NEVER)
if hold.state ~= 'held' then
  if deadline < NEVER then call('ZREM', DUE, OPERATION) end
  return {'live', NOW}
end
if deadline > NOW or hold.sequence ~= given[1] then return {'live', NOW} end
open_account()
turn()

local owed = hold.checkpoint
local charge = owed[1] or 0
local paid, debt, observed = resolve(hold, charge, hold.observe)
for i = 1, #given - 1 do
  book_bucket(KEYS[7 + i], hold.in_bucket[i] or 0, owed[3 + i] or 0, given[1 + i])
end
end_job(KEYS[7 + #given], KEYS[8 + #given])
if owed[1] then
  roll_up(KEYS[7], ARGV[5], 1, owed[2], owed[3], charge)
  if ARGV[6] then roll_up_pieces(KEYS[7], ARGV[5], ARGV[6], '') end
  record('expired', OPERATION, charge, debt, observed, paid, ARGV[4])
end
local reservation = call('HGET', HOLD, 'rec')
entomb('expired', join(owed), owed[1] and ARGV[6], owed[1] and ARGV[4])
if reservation then call('HSET', HOLD, 'rec', reservation) end -- a late settle needs it
commit()
return {'expired', NOW, charge}

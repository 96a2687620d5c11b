-- expire: end a hold whose lease ran out. With a checkpoint it is charged to that, else given back.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the day's usage
--       last two, if it was kept for a job: the job, the open jobs
-- ARGV  3 the sequence the caller saw  4 the checkpoint's event (JSON), its end and charge already set
--       5 model  6 pieces by kind, or ''
-- Reply {'expired', now, charged} | {'live', now}: not due, extended meanwhile, or ended by someone else.
begin(0, 0)
local hold = read_hold(0)
local more = hold.more or {}
local deadline = tonumber(call('ZSCORE', DUE, OPERATION) or NEVER)
if hold.state ~= 'held' then
  if deadline < NEVER then call('ZREM', DUE, OPERATION) end
  return {'live', NOW}
end
if deadline > NOW or (more.sequence or 0) ~= tonumber(ARGV[3]) then return {'live', NOW} end
local place = open_account(hold.where)
turn()

local owed = more.checkpoint or {}
local charge = owed[1] or 0
local paid, debt, observed = resolve(hold, charge, hold.observe)
book_buckets(place, hold.in_bucket, {unpack(owed, 4)})
end_job(KEYS[8], KEYS[9])
-- A late settle needs the reservation.
local tombstone = {reservation = more.reservation}
if owed[1] then
  roll_up(KEYS[7], ARGV[5], 1, owed[2], owed[3], charge)
  if ARGV[6] ~= '' then roll_up_pieces(KEYS[7], ARGV[5], ARGV[6], '') end
  record('expired', OPERATION, charge, debt, observed, paid, ARGV[4])
  tombstone.checkpoint, tombstone.pieces, tombstone.event = owed, ARGV[6], ARGV[4]
end
entomb(hold_text('x', {account = '', overdraft = 0, slices = {}, where = '', in_bucket = {}, answer = '',
                       more = tombstone}))
commit()
return {'expired', NOW, charge}

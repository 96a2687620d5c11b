-- settle: replace what a call held by what it used, and write its usage event, in one step.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the day's usage
--       last two, if it was kept for a job: the job, the open jobs
-- ARGV  3 NUMBERS  4 WHERE, as in reserve  5 event (JSON)  6 model  7 pieces by kind, or ''
-- NUMBERS  1 charge  2 observe (1/0), and 2 more if it is asked for again  3 input tokens  4 output tokens  5.. per bucket: amount used
-- Reply 's', then packed: now, charged, debt made, late (1/0) | {'ended', now, ending}; the latter changes nothing.
-- Asked for again after the store had gone back, it is written down as late, though its hold stands
-- as it did: the first one may have been told already, and a late one adds what that had not.
-- A hold that expired, or that the store lost, is charged directly and once: `late`. What its
-- expiry charged already is not charged again.
local function settle(k, a, keys)
  local FIRST = 5
  local hold, given = read_hold(k), unpacked(ARGV[a + 3])
  local day, event, model, pieces = KEYS[k + 7], ARGV[a + 5], ARGV[a + 6], ARGV[a + 7]
  if keys > 7 then end_job(KEYS[k + 8], KEYS[k + 9]) end
  if hold.state == 'settled' or hold.state == 'released' then return {'ended', NOW, hold.state} end
  -- One that is asked for from the journal knows no limits: a hold that stands has its own.
  local late = hold.state ~= 'held'
  local place = open_account(late and ARGV[a + 4] or hold.where)
  turn()

  local observe, again = given[2] % 2 == 1, given[2] >= 2
  local before = late and hold.more or {}
  local known = before.checkpoint or {}
  local charge = max(0, given[1] - (known[1] or 0))
  local paid, debt, observed
  if late then paid, debt, observed = charge_directly(charge, observe)
  else paid, debt, observed = resolve(hold, charge, observe) end

  local used = {}
  for i = FIRST, #given do used[i - FIRST + 1] = max(0, given[i] - (known[i - 1] or 0)) end
  book_buckets(place, late and {} or hold.in_bucket, used)
  roll_up(day, model, known[1] and 0 or 1, max(0, given[3] - (known[2] or 0)),
          max(0, given[4] - (known[3] or 0)), charge)
  if pieces ~= '' then roll_up_pieces(day, model, pieces, before.pieces or '') end
  record((late or again) and 'late' or 'settled', OPERATION, charge, debt, observed, paid, event,
         known[1] and before.event)
  entomb('s')
  commit()
  return struct.pack('<c1dddd', 's', NOW, charge, debt, late and 1 or 0)
end

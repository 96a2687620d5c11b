-- settle: replace what a call held by what it used, and write its usage event, in one step.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the day's usage  8.. buckets in the reservation's order
--       last two, if it was kept for a job: the job, the open jobs
-- ARGV  3 NUMBERS  4 event (JSON)  5 model  6 pieces by kind, if there are any
-- NUMBERS  1 charge  2 observe (1/0)  3 input tokens  4 output tokens
--       5.. per bucket: amount used, expires ms
-- Reply {'settled', now, charged, debt made, late} | {'ended', now, ending}; the latter changes nothing.
-- A hold that expired, or that the store lost, is charged directly and once: `late`. What its
-- expiry charged already is not charged again.
local FIRST, WIDTH = 5, 2
local hold, given = read_hold(), unpacked(ARGV[3])
local buckets = (#given - FIRST + 1) / WIDTH
end_job(KEYS[8 + buckets], KEYS[9 + buckets])
if hold.state == 'settled' or hold.state == 'released' then return {'ended', NOW, hold.state} end
open_account()
turn()

local late, observe = hold.state ~= 'held', given[2] == 1
local known = late and hold.checkpoint or {}
local charge = max(0, given[1] - (known[1] or 0))
local paid, debt, observed
if late then paid, debt, observed = charge_directly(charge, observe)
else paid, debt, observed = resolve(hold, charge, observe) end

for i = 1, buckets do
  local at = FIRST + (i - 1) * WIDTH
  local used = max(0, given[at] - (known[3 + i] or 0))
  book_bucket(KEYS[7 + i], late and 0 or hold.in_bucket[i] or 0, used, given[at + 1])
end
roll_up(KEYS[7], ARGV[5], known[1] and 0 or 1, max(0, given[3] - (known[2] or 0)),
        max(0, given[4] - (known[3] or 0)), charge)
if ARGV[6] then roll_up_pieces(KEYS[7], ARGV[5], ARGV[6], late and hold.pieces or '') end
record(late and 'late' or 'settled', OPERATION, charge, debt, observed, paid, ARGV[4],
       known[1] and call('HGET', HOLD, 'ev'))
entomb('settled')
commit()
return {'settled', NOW, charge, debt, late and 1 or 0}

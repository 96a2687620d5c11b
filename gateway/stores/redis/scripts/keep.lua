-- keep: let a hold live on after its call, for the job that the call began. The whole hold is
-- booked as its checkpoint, the job stored, and what only running calls take is given back.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the reservation's order
--       last two: the job, the open jobs
-- ARGV  3 NUMBERS  4 checkpoint event (JSON)  5 the job as given (JSON)
-- NUMBERS  1 lease ms  2 ms until the job is asked for  3 the whole hold  4 input tokens
--       5 output tokens  6.. per bucket: amount owed, given back now (1/0)
-- Reply {'kept', now, late} | {'ended', now, ending}; the latter changes nothing.
-- A hold that expired, or that the store lost, has its job followed all the same: `late`.
local FIRST, WIDTH = 6, 2
local JOB, OPEN = KEYS[#KEYS - 1], KEYS[#KEYS]
local hold, given = read_hold(), unpacked(ARGV[3])
if hold.state == 'settled' or hold.state == 'released' then return {'ended', NOW, hold.state} end
if hold.state == 'held' then
  local checkpoint = {given[3], given[4], given[5]}
  for i = 1, (#given - FIRST + 1) / WIDTH do
    local at = FIRST + (i - 1) * WIDTH
    checkpoint[3 + i] = given[at]
    if given[at + 1] == 1 and (hold.in_bucket[i] or 0) > 0 then
      book_bucket(KEYS[6 + i], hold.in_bucket[i], 0, 0)
      hold.in_bucket[i] = 0
    end
  end
  for i, number in ipairs(checkpoint) do checkpoint[i] = max(number, hold.checkpoint[i] or 0) end
  call('HSET', HOLD, 'seq', int(hold.sequence + 1), 'ck', join(checkpoint), 'ev', ARGV[4], 'bh',
       join(hold.in_bucket), 'j', JOB)
  call('ZADD', DUE, int(NOW + given[1]), OPERATION)
end
call('HSET', JOB, OPERATION, ARGV[5])
call('ZADD', OPEN, int(NOW + given[2]), JOB)
return {'kept', NOW, hold.state == 'held' and 0 or 1}

-- keep: let a hold live on after its call, for the job that the call began. The whole hold is
-- booked as its checkpoint, the job stored, and what only running calls take is given back.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the job  8 the open jobs
-- ARGV  3 NUMBERS  4 checkpoint event (JSON)  5 the job as given (JSON)
-- NUMBERS  1 lease ms  2 ms until the job is asked for  3 the whole hold  4 input tokens
--       5 output tokens  6.. per bucket: amount owed, given back now (1/0)
-- Reply {'kept', now, late} | {'ended', now, ending}; the latter changes nothing.
-- A hold that expired, or that the store lost, has its job followed all the same: `late`.
local FIRST, WIDTH = 6, 2
local JOB, OPEN = KEYS[7], KEYS[8]
begin(0, 0)
local hold, given = read_hold(0), unpacked(ARGV[3])
if hold.state == 'settled' or hold.state == 'released' then return {'ended', NOW, hold.state} end
if hold.state == 'held' then
  local place, more = open_account(hold.where), hold.more or {}
  local checkpoint, before = {given[3], given[4], given[5]}, more.checkpoint or {}
  for i = 1, (#given - FIRST + 1) / WIDTH do
    local at = FIRST + (i - 1) * WIDTH
    checkpoint[3 + i] = given[at]
    if given[at + 1] == 1 then
      book_bucket(blocks[place[3 * i]], place[3 * i - 2], place[3 * i - 1], hold.in_bucket[i], 0)
      hold.in_bucket[i] = 0
    end
  end
  for i, number in ipairs(checkpoint) do checkpoint[i] = max(number, before[i] or 0) end
  more.sequence, more.checkpoint, more.event, more.job = (more.sequence or 0) + 1, checkpoint, ARGV[4], JOB
  hold.more = more
  write_hold(hold)
  call('ZADD', DUE, int(NOW + given[1]), OPERATION)
  commit()
end
call('HSET', JOB, OPERATION, ARGV[5])
call('ZADD', OPEN, int(NOW + given[2]), JOB)
return {'kept', NOW, hold.state == 'held' and 0 or 1}

-- extend: renew the lease, book a checkpoint, hold more. The first two happen even when the
-- third is refused: what was relayed was relayed.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the reservation's order
-- ARGV  3 NUMBERS  4 checkpoint event (JSON)  5 the reservation as it is then (JSON), if it is one
-- NUMBERS  1 sequence  2 add  3 overdraft limit  4 observe (1/0)  5 lease ms
--       6 the event's charge  7 input tokens  8 output tokens
--       9.. per charge: add, amount used so far, ceiling, shadow
-- Reply {'extended', now, held, available, repeated} | {'ended', now, ending} | {'unknown', now}
--     | {'refused', now, reason, available, held, limit index, room…}
local FIRST, WIDTH = 9, 4
local hold, given = read_hold(), unpacked(ARGV[3])
local sequence = given[1]
if not hold.state then return {'unknown', NOW} end
if hold.state ~= 'held' then return {'ended', NOW, hold.state} end
open_account()
turn()
if sequence <= hold.sequence then
  commit()
  return {'extended', NOW, hold.amount, total.available, 1}
end

local add, overdraft, observe = given[2], given[3], given[4] == 1
local checkpoint = {given[6], given[7], given[8]}
local adds, rooms, reason, index = {}, {}, nil, 0
for i = 1, (#given - FIRST + 1) / WIDTH do
  local at = FIRST + (i - 1) * WIDTH
  local v = call('HMGET', KEYS[6 + i], 'held', 'used')
  local room, more = given[at + 2] - (v[1] or 0) - (v[2] or 0), given[at]
  checkpoint[3 + i], adds[i] = given[at + 1], more
  rooms[i] = max(0, room)
  if more > rooms[i] and not (reason or observe or given[at + 3] == 1) then
    reason, index = 'limit', i - 1
  end
end
if observe then add = min(add, total.available)
elseif not reason and add > 0 and add > spendable(overdraft, true) then reason = 'balance' end

for i, number in ipairs(checkpoint) do checkpoint[i] = max(number, hold.checkpoint[i] or 0) end
call('HSET', HOLD, 'seq', int(sequence), 'ck', join(checkpoint), 'ev', ARGV[4])
call('ZADD', DUE, int(NOW + given[5]), OPERATION)
if reason then
  commit()
  return {'refused', NOW, reason, spendable(overdraft, true), total.held + total.overdraft_held, index,
          unpack(rooms)}
end

local covered = min(add, total.available)
add_slices(hold.slices, take(covered, 'held'))
total.overdraft_held = total.overdraft_held + add - covered
for i, more in ipairs(adds) do
  hold.in_bucket[i] = (hold.in_bucket[i] or 0) + more
  if more > 0 then call('HINCRBY', KEYS[6 + i], 'held', int(more)) end
end
call('HSET', HOLD, 'sl', slices_text(hold.slices), 'od', int(hold.overdraft + add - covered), 'bh',
     join(hold.in_bucket))
if ARGV[5] then call('HSET', HOLD, 'rec', ARGV[5]) end
commit()
return {'extended', NOW, hold.amount + add, total.available, 0}

-- extend: renew the lease, book a checkpoint, hold more. The first two happen even when the
-- third is refused: what was relayed was relayed.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the reservation's order
-- ARGV  3 sequence  4 add  5 overdraft limit  6 observe (1/0)  7 lease ms  8 checkpoint event (JSON)
--       9 its charge  10 input tokens  11 output tokens
--       12.. per charge: add, amount used so far, ceiling, shadow
-- Reply {'extended', now, held, available} | {'ended', now, ending} | {'unknown', now}
--     | {'refused', now, reason, available, held, limit index, room…}
local FIRST, WIDTH = 12, 4
local hold, sequence = read_hold(), tonumber(ARGV[3])
if not hold.state then return {'unknown', NOW} end
if hold.state ~= 'held' then return {'ended', NOW, hold.state} end
open_account()
turn()
if sequence <= hold.sequence then
  commit()
  return {'extended', NOW, hold.amount, total.available}
end

local add, overdraft, observe = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'
local checkpoint = {tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])}
local adds, rooms, reason, index = {}, {}, nil, 0
for i = 1, (#ARGV - FIRST + 1) / WIDTH do
  local at = FIRST + (i - 1) * WIDTH
  local v = call('HMGET', KEYS[6 + i], 'held', 'used')
  local room, more = ARGV[at + 2] - (v[1] or 0) - (v[2] or 0), tonumber(ARGV[at])
  checkpoint[3 + i], adds[i] = tonumber(ARGV[at + 1]), more
  rooms[i] = max(0, room)
  if more > rooms[i] and not (reason or observe or ARGV[at + 3] == '1') then
    reason, index = 'limit', i - 1
  end
end
if observe then add = min(add, total.available)
elseif not reason and add > 0 and add > spendable(overdraft, true) then reason = 'balance' end

for i, number in ipairs(checkpoint) do checkpoint[i] = max(number, hold.checkpoint[i] or 0) end
call('HSET', HOLD, 'seq', ARGV[3], 'ck', join(checkpoint), 'ev', ARGV[8])
call('ZADD', DUE, int(NOW + tonumber(ARGV[7])), OPERATION)
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
commit()
return {'extended', NOW, hold.amount + add, total.available}

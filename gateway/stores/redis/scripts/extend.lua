-- extend: renew the lease, book a checkpoint, hold more. The first two happen even when the
-- third is refused: what was relayed was relayed.
-- KEYS  1-4 as common.lua  5 due zset  6 hold
-- ARGV  3 NUMBERS  4 checkpoint event (JSON)  5 the reservation as it is then (JSON), or ''
-- NUMBERS  1 sequence  2 add  3 overdraft limit  4 observe (1/0)  5 lease ms
--       6 the event's charge  7 input tokens  8 output tokens
--       9.. per charge: add, amount used so far, ceiling, shadow
-- Reply {'extended', now, held, available, repeated} | {'ended', now, ending} | {'unknown', now}
--     | {'refused', now, reason, available, held, limit index, room…}
local function extend(k, a)
  local FIRST, WIDTH = 9, 4
  local hold, given = read_hold(k), unpacked(ARGV[a + 3])
  local sequence = given[1]
  if not hold.state then return {'unknown', NOW} end
  if hold.state ~= 'held' then return {'ended', NOW, hold.state} end
  local place, more = open_account(hold.where), hold.more or {}
  turn()
  if sequence <= (more.sequence or 0) then
    commit()
    return {'extended', NOW, hold.amount, total.available, 1}
  end

  local add, overdraft, observe = given[2], given[3], given[4] == 1
  local checkpoint, before = {given[6], given[7], given[8]}, more.checkpoint or {}
  local adds, rooms, reason, index = {}, {}, nil, 0
  for i = 1, (#given - FIRST + 1) / WIDTH do
    local at = FIRST + (i - 1) * WIDTH
    rooms[i] = room_in(blocks[place[3 * i]], place[3 * i - 2], given[at + 2])
    checkpoint[3 + i], adds[i] = given[at + 1], given[at]
    if adds[i] > rooms[i] and not (reason or observe or given[at + 3] == 1) then
      reason, index = 'limit', i - 1
    end
  end
  if observe then add = min(add, total.available)
  elseif not reason and add > 0 and add > spendable(overdraft, true) then reason = 'balance' end

  for i, number in ipairs(checkpoint) do checkpoint[i] = max(number, before[i] or 0) end
  more.sequence, more.checkpoint, more.event = sequence, checkpoint, ARGV[a + 4]
  hold.more = more
  call('ZADD', DUE, int(NOW + given[5]), OPERATION)
  if reason then
    write_hold(hold)
    commit()
    return {'refused', NOW, reason, spendable(overdraft, true), total.held + total.overdraft_held, index,
            unpack(rooms)}
  end

  local covered, held = min(add, total.available), hold.amount + add
  add_slices(hold.slices, take(covered, 'held'))
  hold.overdraft = hold.overdraft + add - covered
  total.overdraft_held = total.overdraft_held + add - covered
  for i, units in ipairs(adds) do
    if units > 0 then
      add_units(blocks[place[3 * i]], place[3 * i - 2], place[3 * i - 1], units, 0)
      hold.in_bucket[i] = (hold.in_bucket[i] or 0) + units
    end
  end
  if ARGV[a + 5] ~= '' then more.reservation = ARGV[a + 5] end
  write_hold(hold)
  commit()
  return {'extended', NOW, held, total.available, 0}
end

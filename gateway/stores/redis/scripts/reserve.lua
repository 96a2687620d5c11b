-- reserve: hold credit and units in every bucket of a call, all or nothing.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7 the key's record, if it is bound to a key
-- ARGV  3 NUMBERS  4 WHERE, see open_account  5 the reservation as given (JSON), or ''
-- NUMBERS  1 the caller's idea of now  2 least  3 full  4 overdraft limit  5 observe (1/0)  6 lease ms
--       7 only if ample (1/0), or hold nothing (2)  8.. per charge: least, full, ceiling, 1 if shadow
--       (2 and more: the key's owner is told when it is reached, see tell_reached)
-- Reply 'r', then packed: now, held, full (1/0), available, room…
--     | {'refused', now, reason, available, held, limit index, room…}
--     | {'ended', now, ending} | {'clock_skew', now}
-- No TTL on a hold: letting Redis forget it would leave its amount held for ever.

-- The answer that was given, if it is asked for again.
local function reserved_before(key)
  local text = call('GET', key)
  if not text then return nil end
  if text:byte() ~= 104 then return {'ended', NOW, STATES[text:sub(1, 1)]} end -- h: held
  return RESERVED .. hold_of(text).answer
end

-- Whether it was asked for before is seen where the hold is written, and here. `told`: that the
-- credit is gone is to be told, if it was not yet.
local function refuse(key, reason, index, overdraft, rooms, told)
  local before = reserved_before(key)
  used_up = told and not before and total.warn > NOTHING
  commit()
  return before or {'refused', NOW, reason, spendable(overdraft, false), total.held + total.overdraft_held,
                    index, unpack(rooms)}
end

-- A key's budget lets a call not through: told once for each of its periods and ceilings.
local function tell_reached(record_key, kind, bucket, ceiling)
  local unit = ({'requests', 'tokens', 'microcredits'})[math.floor(kind / 4) + 1]
  local name = unit .. ({'_per_day', '_per_week', '_per_month', '_in_total'})[kind % 4 + 1]
  local mark = int(bucket) .. ' ' .. int(ceiling)
  if call('HGET', record_key, 'reached:' .. name) == mark then return end
  call('HSET', record_key, 'reached:' .. name, mark)
  record('key.limit_reached', record_key:match('k:(.+)$'), 0, 0, 0, {}, '{"limit":"' .. name .. '","ceiling'
         .. (unit == 'microcredits' and '_ucr":' or '":') .. int(ceiling) .. '}')
end

local function reserve(k, a, keys)
  local due, key = KEYS[k + 5], KEYS[k + 6]
  local given, where, reservation = unpacked(ARGV[a + 3]), ARGV[a + 4], ARGV[a + 5]
  local skew_ms = NOW - given[1]
  -- Off by more than a second: wrong windows, or a reserve nobody waits for any more.
  if skew_ms > 1000 or skew_ms < -1000 then return reserved_before(key) or {'clock_skew', NOW} end

  local place, turned = open_account(where), turn()
  local least, full, overdraft, observe = given[2], given[3], given[4], given[5] == 1
  local only_ample, probe, amount = given[7] == 1, given[7] == 2, given[3]
  local ample = full <= least or total.available >= AMPLE * full
  if only_ample then ample = total.available >= PLENTY * full end
  local charges, rooms, found, at = #place / 3, {}, {}, 8
  for i = 1, charges do
    local all, room = given[at + 1], nil
    room, found[i] = room_in(blocks[place[3 * i]], place[3 * i - 2], given[at + 2])
    -- Where least and full are the same there is no choice; nor is one of a single unit.
    if room < AMPLE * all and given[at + 3] ~= 1 and (given[at] ~= all or (only_ample and all ~= 1)) then
      ample = false
    end
    rooms[i], at = room, at + 4
  end

  if keys > 6 and call('HGET', KEYS[k + 7], 'st') ~= 'active' then
    return refuse(key, 'key', 0, overdraft, rooms)
  end
  if status and status ~= 'active' then return refuse(key, 'account', 0, overdraft, rooms) end
  if only_ample and not ample then return refuse(key, 'balance', 0, overdraft, rooms) end
  if not ample then amount = least end
  local adds, answer, first = {}, {0, ample and 1 or 0, 0}, ample and 9 or 8
  for i = 1, charges do
    local add, room = given[first + 4 * (i - 1)], rooms[i]
    if add > room then
      local kind = given[7 + 4 * i]
      if not observe and kind ~= 1 then
        if kind > 1 and keys > 6 and not (only_ample or probe or reserved_before(key)) then
          tell_reached(KEYS[k + 7], kind - 2, place[3 * i - 2], given[6 + 4 * i])
        end
        return refuse(key, 'limit', i - 1, overdraft, rooms)
      end
      room = add
    end
    adds[i], answer[3 + i] = add, room - add
  end
  if observe then amount = min(amount, max(0, total.available))
  elseif amount > spendable(overdraft, false) then
    local gone = least > total.available + total.held -- not merely held
    return refuse(key, 'balance', 0, overdraft, rooms, gone and not only_ample)
  end

  local before = (probe or turned) and reserved_before(key)
  answer[1], answer[3] = amount, total.available
  if probe or before then
    commit()
    return before or RESERVED .. packed(answer)
  end

  local covered = min(amount, total.available)
  local slices = take(covered, 'held')
  answer[3] = total.available
  local hold = {account = ACCOUNT_ID, overdraft = amount - covered, observe = observe, slices = slices, where = where,
                in_bucket = adds, answer = packed(answer),
                more = reservation ~= '' and {reservation = reservation} or nil}
  if not call('SET', key, hold_text('h', hold), 'NX') then return reserved_before(key) end
  total.overdraft_held, total.live = total.overdraft_held + amount - covered, total.live + 1
  for i = 1, charges do
    local block, id, cell = blocks[place[3 * i]], place[3 * i - 2], found[i]
    local cells = block.cells
    -- Where it was found, unless a new one took that place.
    if cell and cells[cell] == id then
      cells[cell + 2], block.touched = cells[cell + 2] + adds[i], true
    else add_units(block, id, place[3 * i - 1], adds[i], 0) end
  end
  call('ZADD', due, int(NOW + given[6]), OPERATION)
  commit()
  return RESERVED .. hold.answer
end

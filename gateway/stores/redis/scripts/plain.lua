-- plain: reserve and settle as nearly every call has them, in straight lines. Comes after packing.lua;
-- keys, arguments and replies are those of reserve.lua and settle.lua.
-- These build of what is stored only what such a call needs, and make no function, which saves a third
-- of the work. They answer nil, before anything is written, to a call that is not plain; then the others do
-- it from the beginning. What is plain: the account is active, not in debt, nothing of it is due now,
-- no mark of its alerts is near; one grant pays all, known, in force and not emptied by it; there is
-- ample room in every limit, each in use already. Nothing is decided here that the others would
-- decide otherwise: tests/contract/test_ledger_plain.py compares what both leave.

-- The totals, the numbers of the grant in front; its index member follows. See common.lua.
local BOOKS, BOOKS_WHOLE, BOOKS_BYTES = '<dddddddddddddddddddddd', '<ddddddddddddddddddddddc0', 176
-- Numbers of a reply that is one text cost a quarter of what they cost one by one.
local RESERVED = struct.pack('<c1d', 'r', NOW)

-- The fields of an account that such a call needs, behind those given, and its places (see open_account).
local function fields_of(where, fields)
  local at, first = 2, #fields
  for i = 1, where:byte() do fields[first + i], at = struct.unpack('<Hc0', where, at) end
  return at <= #where and unpacked(where, at) or {}
end

-- Where a bucket's cells begin, first looked for there; nil if it is not there.
local function cells_from(cells, id, at)
  if cells[at] == id then return at end
  at = 1
  while cells[at] ~= id do
    at = at + 4
    if not cells[at] then return nil end
  end
  return at
end

local function plain_reserve(k, a, keys)
  local given, where = unpacked(ARGV[a + 3]), ARGV[a + 4]
  local skew_ms, least, amount = NOW - given[1], given[2], given[3]
  if skew_ms > 1000 or skew_ms < -1000 or given[5] ~= 0 or given[7] ~= 0 or ARGV[a + 5] ~= '' then return nil end
  local account, id, fields = KEYS[k + 1], ARGV[a + 1], {'st', 'books'}
  local place = fields_of(where, fields)
  local v = call('HMGET', account, unpack(fields))
  local text = v[2]
  if not text or #text <= BOOKS_BYTES or (v[1] and v[1] ~= 'active') then return nil end
  local available, held, live, debt, overdraft_held, turn_ms, charged, observed, granted, corrected, warn, clear,
    left, grant_held, consumed, expired, voided, void, expires_ms, effective_ms, cap, rolls_ms, at =
    struct.unpack(BOOKS, text)
  local worth = available + held
  if debt ~= 0 or (turn_ms ~= 0 and NOW >= turn_ms) or worth <= warn or worth > clear or amount == 0
    or left <= amount or available < amount or (amount > least and available < AMPLE * amount) then return nil end

  local charges = #place / 3
  local answer, units, blocks, from = {amount, 1, available - amount}, {}, {}, {}
  for i = 1, charges do
    local owner, bucket, n = place[3 * i], place[3 * i - 2], 4 + 4 * i
    local all, ceiling, kind = given[n + 1], given[n + 2], given[n + 3]
    local cells = blocks[owner]
    if not cells then
      if not v[owner + 2] then return nil end
      cells = unpacked(v[owner + 2])
      blocks[owner], from[owner] = cells, 1
    end
    local cell = cells_from(cells, bucket, from[owner])
    if not cell then return nil end
    from[owner] = cell + 4
    local room = ceiling - cells[cell + 2] - cells[cell + 3]
    if room < 0 then room = 0 end
    if kind == 1 then room = max(room, all)
    elseif room < all or (room < AMPLE * all and given[n] ~= all) then return nil end
    answer[3 + i], units[i], cells[cell + 2] = room - all, all, cells[cell + 2] + all
  end
  if keys > 6 and call('HGET', KEYS[k + 7], 'st') ~= 'active' then return nil end

  local member, known = text:sub(at), packed(answer)
  local grant = member:sub(39)
  local slice, in_bucket = struct.pack('<dHc0', amount, #grant, grant), charges > 0 and packed(units) or ''
  local hold = struct.pack(HELD, 'h', 0, 0, #id, id, #where, where, #slice, slice, #in_bucket, in_bucket, #known, known)
  if not call('SET', KEYS[k + 6], hold, 'NX') then return nil end
  call('ZADD', KEYS[k + 5], format('%d', NOW + given[6]), ARGV[a + 2])
  text = struct.pack(BOOKS_WHOLE, available - amount, held + amount, live + 1, debt, overdraft_held, turn_ms, charged,
                     observed, granted, corrected, warn, clear, left - amount, grant_held + amount, consumed, expired,
                     voided, void, expires_ms, effective_ms, cap, rolls_ms, member)
  if charges == 0 then call('HSET', account, 'books', text)
  else
    local written = {'books', text}
    for owner, cells in pairs(blocks) do
      written[#written + 1], written[#written + 2] = fields[owner + 2], packed(cells)
    end
    call('HSET', account, unpack(written))
  end
  return RESERVED .. known
end

local function plain_settle(k, a, keys)
  if keys > 7 or ARGV[a + 7] ~= '' then return nil end
  local stored = call('GET', KEYS[k + 6])
  if not stored or #stored == 1 or stored:byte() ~= 104 then return nil end -- h: held
  local _, overdraft, observe, _, where, slice, in_bucket, _, behind = struct.unpack(HELD, stored)
  if overdraft ~= 0 or observe ~= 0 or behind <= #stored or slice == '' then return nil end
  local amount, grant, after = struct.unpack('<dHc0', slice)
  local given, account, id, operation = unpacked(ARGV[a + 3]), KEYS[k + 1], ARGV[a + 1], ARGV[a + 2]
  local charge = given[1]
  if after <= #slice or given[2] ~= 0 or charge > amount then return nil end
  local fields = {'books'}
  local place = fields_of(where, fields)
  local v = call('HMGET', account, unpack(fields))
  local text = v[1]
  if not text or #text <= BOOKS_BYTES then return nil end
  local available, held, live, debt, overdraft_held, turn_ms, charged, observed, granted, corrected, warn, clear,
    left, grant_held, consumed, expired, voided, void, expires_ms, effective_ms, cap, rolls_ms, at =
    struct.unpack(BOOKS, text)
  local member, worth = text:sub(at), available + held - charge
  if debt ~= 0 or (turn_ms ~= 0 and NOW >= turn_ms) or worth <= warn or worth > clear or left <= 0 or void ~= 0
    or (cap > 0 and rolls_ms == 0) or expires_ms <= NOW or member:sub(39) ~= grant
    or (expires_ms < NEVER and (turn_ms == 0 or expires_ms < turn_ms)) then return nil end

  local blocks, from, units = {}, {}, in_bucket ~= '' and unpacked(in_bucket) or {}
  for i = 1, #place / 3 do
    local owner, bucket, over_ms, used = place[3 * i], place[3 * i - 2], place[3 * i - 1], given[4 + i] or 0
    local cells = blocks[owner]
    if not cells then
      if not v[owner + 1] then return nil end
      cells = unpacked(v[owner + 1])
      blocks[owner], from[owner] = cells, 1
    end
    local cell = cells_from(cells, bucket, from[owner])
    if not cell then return nil end
    from[owner] = cell + 4
    if over_ms > 0 and over_ms <= NOW then used = 0 end -- nobody looks there
    cells[cell + 2], cells[cell + 3] = max(0, cells[cell + 2] - (units[i] or 0)), cells[cell + 3] + used
  end

  local back, spent = amount - charge, format('%d', charge)
  roll_up(KEYS[k + 7], ARGV[a + 6], 1, given[3], given[4], charge)
  call('ZREM', KEYS[k + 5], operation)
  call('SET', KEYS[k + 6], 's', 'PX', TOMBSTONE_MS)
  text = struct.pack(BOOKS_WHOLE, available + back, held - amount, live - 1, debt, overdraft_held, turn_ms,
                     charged + charge, observed, granted, corrected, warn, clear, left + back, grant_held - amount,
                     consumed + charge, expired, voided, void, expires_ms, effective_ms, cap, rolls_ms, member)
  if #fields == 1 then call('HSET', account, 'books', text)
  else
    local written = {'books', text}
    for owner, cells in pairs(blocks) do
      written[#written + 1], written[#written + 2] = fields[owner + 1], packed(cells)
    end
    call('HSET', account, unpack(written))
  end
  call('XADD', KEYS[k + 4], '*', 'head', 'settled\n' .. id .. '\n' .. operation .. '\n' .. spent .. '\n0\n0\n'
       .. (charge > 0 and grant .. ' ' .. spent or ''), 'event', ARGV[a + 5])
  return struct.pack('<c1dddd', 's', NOW, charge, 0, 0)
end

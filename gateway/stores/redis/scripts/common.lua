-- What every money script does; see state.lua.

-- An operation begins: its keys come after the first `k`, its arguments after the first `a`.
local function begin(k, a)
  ACCOUNT, INDEX, GRANTS, OUTBOX = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  ACCOUNT_ID, OPERATION = ARGV[a + 1], ARGV[a + 2]
  grants, journal, knowns, blocks = {}, {}, {}, {}
  total, front, in_books, came_in, used_up = nil, nil, nil, nil, nil
end

-- Exact below 2^53: '%d' prints a C long. ('%.0f' costs twice that, and knows a "-0".)
local function int(number) return format('%d', number) end

-- cap: of what is left so much rolls over at its expiry, until rolls_ms; that is 0 once it did.
-- The index member spells priority|expiry|class|effective|grant id in fixed widths.
local GRANT = '<ddddddddddc0'

local function grant_text(grant)
  return struct.pack(GRANT, grant.left, grant.held, grant.consumed, grant.expired, grant.voided, grant.void,
                     grant.expires_ms, grant.effective_ms, grant.cap, grant.rolls_ms, grant.member)
end

-- As grant_text() wrote it, at this place of a text.
local function stored_grant(text, from)
  local left, held, consumed, expired, voided, void, expires_ms, effective_ms, cap, rolls_ms, at =
    struct.unpack('<dddddddddd', text, from)
  local member = text:sub(at)
  local id = member:sub(39)
  local grant = {id = id, member = member, expires_ms = expires_ms, effective_ms = effective_ms,
                 left = left, left_before = left, held = held, consumed = consumed, expired = expired,
                 voided = voided, void = void, cap = cap, rolls_ms = rolls_ms, touched = false}
  grants[id] = grant
  return grant
end

local TOTALS, TOTALS_BYTES = '<dddddddddddd', 96
local NO_BOOKS = struct.pack(TOTALS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NOTHING, LARGEST)

-- WHERE a call counts is packed by the caller, and kept in its hold: how many owners, one byte; each
-- owner's field, after two bytes of its length; then three doubles for each charge: the bucket's id,
-- when it may be forgotten (0: never), whose it is (the first owner is 1). Answers these numbers.
local function open_account(where)
  local fields, at = {'st', 'books'}, 2
  for i = 3, 2 + (where and where:byte() or 0) do fields[i], at = struct.unpack('<Hc0', where, at) end
  local v = call('HMGET', ACCOUNT, unpack(fields))
  status, books = v[1], v[2] or NO_BOOKS
  local available, held, live, debt, overdraft_held, turn_ms, charged, observed, granted, corrected,
    warn, clear = struct.unpack(TOTALS, books)
  total = {available = available, held = held, live = live, debt = debt,
           overdraft_held = overdraft_held, turn_ms = turn_ms, charged = charged,
           observed = observed, granted = granted, corrected = corrected, warn = warn, clear = clear}
  left_before = available + held - debt
  -- Behind the totals, in one field with them, stands the grant that pays at present: the first in
  -- burn order that is in force and has credit left, if it is known. Elsewhere it stands no more.
  if #books > TOTALS_BYTES then front = stored_grant(books, TOTALS_BYTES + 1) end
  in_books = front
  for i = 3, #fields do
    blocks[i - 2] = {field = fields[i], cells = unpacked(v[i] or ''), next = 1, touched = false}
  end
  return where and unpacked(where, at) or {}
end

-- Where a bucket's cells begin; nil if it is not there. They are mostly asked for in their order.
local function bucket_at(block, id)
  local cells, at = block.cells, block.next
  if cells[at] ~= id then
    at = 1
    while cells[at] and cells[at] ~= id do at = at + 4 end
    if not cells[at] then return nil end
  end
  block.next = at + 4
  return at
end

-- What is left below a ceiling, nothing at the least; and where the bucket's cells begin.
local function room_in(block, id, ceiling)
  local cells, at = block.cells, bucket_at(block, id)
  local room = at and ceiling - cells[at + 2] - cells[at + 3] or ceiling
  return room > 0 and room or 0, at
end

-- More units, or fewer. A new bucket takes the place of one whose window is over, or that is empty.
local function add_units(block, id, expires_ms, held, used)
  local cells, at = block.cells, bucket_at(block, id)
  if not at then
    at = 1
    while cells[at] do
      local over_ms = cells[at + 1]
      if over_ms > 0 and over_ms <= NOW then break end
      if over_ms == 0 and cells[at + 2] == 0 and cells[at + 3] == 0 then break end
      at = at + 4
    end
    cells[at], cells[at + 1], cells[at + 2], cells[at + 3] = id, expires_ms, 0, 0
  end
  cells[at + 2], cells[at + 3] = max(0, cells[at + 2] + held), cells[at + 3] + used
  block.touched = true
end

local function grant_of(id)
  return grants[id] or stored_grant(call('HGET', GRANTS, id .. ':s'), 1)
end

-- Have all of these in memory, for one command (in parts, as in call_with).
local function read_grants(ids)
  local fields = {}
  for _, id in ipairs(ids) do
    if not grants[id] then fields[#fields + 1] = id .. ':s' end
  end
  for from = 1, #fields, 1000 do
    local texts = call('HMGET', GRANTS, unpack(fields, from, min(from + 999, #fields)))
    for _, text in ipairs(texts) do stored_grant(text, 1) end
  end
end

-- visit(grant) in burn order until it answers true. One at first: one grant usually pays.
local function walk(visit)
  local from, size = 0, 1
  while true do
    -- Behind these in the index, with other scores, are those that are used up: see forget.lua.
    local ids = call('ZRANGEBYSCORE', INDEX, '0', '0', 'LIMIT', int(from), int(size))
    for i, member in ipairs(ids) do ids[i] = member:sub(39) end
    read_grants(ids)
    for _, id in ipairs(ids) do
      if visit(grant_of(id)) then return end
    end
    if #ids < size then return end
    from, size = from + size, 500
  end
end

local function slices_text(slices)
  if #slices == 1 then return slices[1].id .. ' ' .. int(slices[1].amount) end
  local words = {}
  for i, slice in ipairs(slices) do words[i] = slice.id .. ' ' .. int(slice.amount) end
  return table.concat(words, ' ')
end

-- An entry of the outbox, written by commit(): its head, a line for each fact, the event (JSON), and
-- known, the event of an expiry that charged a part of it before. Each field costs a tenth of the rest.
local function record(kind, id, amount, debt, observed, slices, event, known)
  journal[#journal + 1] = kind .. '\n' .. ACCOUNT_ID .. '\n' .. id .. '\n' .. int(amount)
    .. (debt == 0 and observed == 0 and '\n0\n0\n' or format('\n%d\n%d\n', debt, observed)) .. slices_text(slices)
  journal[#journal + 1] = event or ''
  if known then knowns[#journal] = known end
end

local function turn_at(ms)
  if ms < NEVER and (total.turn_ms == 0 or ms < total.turn_ms) then total.turn_ms = ms end
end

local function take_from(grant, amount, into, slices)
  grant.left, grant[into], grant.touched = grant.left - amount, grant[into] + amount, true
  slices[#slices + 1] = {id = grant.id, amount = amount}
end

-- Take `amount`, which must be available, in burn order; `into` is 'held', 'consumed' or 'voided'.
local function take(amount, into)
  local slices, missing = {}, amount
  if amount == 0 then return slices end
  if front and front.left >= amount then take_from(front, amount, into, slices)
  else
    walk(function(grant)
      -- turn() ran: what becomes effective or lapses later does so at turn_ms or after.
      if grant.left > 0 and (total.turn_ms == 0 or grant.effective_ms < total.turn_ms) then
        local part = min(grant.left, missing)
        take_from(grant, part, into, slices)
        front, missing = grant, missing - part
      end
      return missing == 0
    end)
    assert(missing == 0, 'available credit is not in the grants')
  end
  total.available = total.available - amount
  if into == 'held' then total.held = total.held + amount end
  return slices
end

local function lapse(grant, amount)
  grant.expired, grant.touched = grant.expired + amount, true
  record('grant_expired', grant.id, amount, 0, 0, {{id = grant.id, amount = amount}})
end

local function void(grant, amount)
  grant.voided, grant.touched = grant.voided + amount, true
  record('voided', grant.id, amount, 0, 0, {{id = grant.id, amount = amount}})
end

-- Its time is over, but what rolls over of it stays, with what calls hold of it within the same
-- bound. Answers whether it has another expiry now.
local function roll_over(grant)
  if grant.rolls_ms <= NOW then return false end
  local stays = min(grant.left, max(0, grant.cap - grant.held))
  if grant.left > stays then lapse(grant, grant.left - stays) end
  if stays > 0 then record('rolled_over', grant.id, stays, 0, 0, {}) end
  grant.was, grant.touched, grant.left = grant.was or grant.member, true, stays
  grant.expires_ms, grant.rolls_ms = grant.rolls_ms, 0
  grant.member = format('%s|%015d|%s', grant.member:sub(1, 3), grant.expires_ms, grant.member:sub(21))
  return true
end

-- A period of an allowance has begun: the percentages of alerts are of what there is now.
local function come_into_force(grant)
  came_in = came_in or 'grant'
  if grant.id:sub(1, 10) ~= 'allowance:' then return end
  came_in = 'period'
  record('allowance.reset', grant.id, 0, 0, 0, {}, '{"amount_ucr":' .. int(grant.left) .. ',"expires_ms":'
         .. int(grant.expires_ms) .. '}')
end

-- Free credit pays debt before anything else may have it: never are both above zero.
local function pay_debt()
  local part = min(total.debt, total.available)
  if part == 0 then return 0 end
  total.debt = total.debt - part
  record('debt_paid', OPERATION, 0, -part, 0, take(part, 'consumed'))
  return part
end

-- Some grant's hour has come: book what lapsed, count what is available now. Answers whether.
local function turn()
  local last, moved = total.turn_ms, false
  if last == 0 or NOW < last then return false end
  total.turn_ms, total.available, front = 0, 0, nil
  walk(function(grant)
    if grant.expires_ms <= NOW then moved = roll_over(grant) or moved end
    if grant.expires_ms <= NOW then
      lapse(grant, grant.left)
      grant.left = 0
    else
      turn_at(grant.expires_ms)
      if grant.effective_ms > NOW then turn_at(grant.effective_ms)
      else
        total.available = total.available + grant.left
        if grant.effective_ms >= last then come_into_force(grant) end
      end
    end
  end)
  if moved then commit() end -- they burn at another place now
  pay_debt()
  return true
end

-- What a call could still get. `running`: overdraft serves it even when nothing is left.
local function spendable(overdraft, running)
  local free = total.available - total.debt
  if overdraft > 0 and (running or free > 0) then
    return total.available + max(0, overdraft - total.debt - total.overdraft_held)
  end
  return free
end

-- A command for all of a list; in parts, as Lua passes 8000 arguments at most.
local function call_with(command, key, list)
  for from = 1, #list, 1000 do call(command, key, unpack(list, from, min(from + 999, #list))) end
end

-- All grants that were touched: their fields in one command, their places in the burn order in two.
local function commit_grants()
  if front and front == in_books and front.left > 0 and not next(grants, next(grants)) then
    front.left_before, front.touched = front.left, false
    return -- no other was met
  end
  local fields, gone, back, used = {}, {}, {}, {}
  for _, grant in pairs(grants) do
    if grant.touched then
      if grant.was then
        if grant.left_before > 0 then gone[#gone + 1] = grant.was end
        grant.was, grant.left_before = nil, 0
      end
      if grant.left == 0 and grant.held == 0 then
        used[#used + 1] = int(NOW)
        used[#used + 1] = grant.member
      elseif grant.left == 0 and grant.left_before > 0 then gone[#gone + 1] = grant.member end
      if grant.left > 0 and grant.left_before == 0 then
        back[#back + 1] = '0'
        back[#back + 1] = grant.member
      end
      grant.left_before = grant.left
    end
  end
  -- One that has credit again may burn before the one in front.
  if front and (back[1] or front.left == 0) then front = nil end
  if front ~= in_books then
    if in_books then in_books.touched = true end
    if front then call('HDEL', GRANTS, front.id .. ':s') end
    in_books = front
  end
  for id, grant in pairs(grants) do
    if grant.touched and grant ~= front then
      fields[#fields + 1] = id .. ':s'
      fields[#fields + 1] = grant_text(grant)
    end
    grant.touched = false
  end
  call_with('HSET', GRANTS, fields)
  call_with('ZADD', INDEX, back)
  call_with('ZADD', INDEX, used)
  call_with('ZREM', INDEX, gone)
end

local function commit_account()
  local t, fields = total, {}
  local text = struct.pack('<ddddddddddddc0', t.available, t.held, t.live, t.debt, t.overdraft_held, t.turn_ms,
                           t.charged, t.observed, t.granted, t.corrected, t.warn, t.clear,
                           front and grant_text(front) or '')
  if text ~= books then
    fields[1], fields[2], books = 'books', text, text
  end
  for _, block in ipairs(blocks) do
    if block.touched then
      fields[#fields + 1] = block.field
      fields[#fields + 1] = packed(block.cells)
      block.touched = false
    end
  end
  if fields[1] then call('HSET', ACCOUNT, unpack(fields)) end
end

-- May run more than once: it writes what changed since it last did.
commit = function()
  local left = total.available + total.held - total.debt
  if came_in or used_up or left <= total.warn or left > total.clear then watch(left) end
  left_before = left
  commit_grants()
  commit_account()
  for i = 1, #journal, 2 do
    local head, event, known = journal[i], journal[i + 1], knowns[i + 1]
    if known then call('XADD', OUTBOX, '*', 'head', head, 'event', event, 'known', known)
    else call('XADD', OUTBOX, '*', 'head', head, 'event', event) end
  end
  if journal[1] then journal, knowns = {}, {} end
end

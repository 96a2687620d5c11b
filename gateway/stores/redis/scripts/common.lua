-- What every money script shares; the loader puts it in front of each, after `local AMPLE = …`.
-- KEYS  1 account  2 grant index  3 grants  4 outbox        ARGV  1 account id  2 operation id
-- NUMBERS, where a script has them, come as one argument: doubles, packed little-endian.
-- State is read into memory, decided on there, and written by commit(): nothing is written
-- before all checks have passed. Amounts are integers below 2^53; a number becomes text only
-- through int(), because `..` and tostring print 1e+14. The clock is the server's, nobody else's.
-- Reading and printing a number costs as much as a quarter of a command, growing a list more:
-- so tables are built whole, and sums nobody decides on are only added to (`counted`).
local call, min, max, format = redis.call, math.min, math.max, string.format
local ACCOUNT, INDEX, GRANTS, OUTBOX = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ACCOUNT_ID, OPERATION = ARGV[1], ARGV[2]
local NEVER = 999999999999999
local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- total and before: as decided and as read. grants: by id, those met so far. counted: increments.
local total, before, grants, counted, journal = nil, nil, {}, {}, {}

-- Exact below 2^53: '%d' prints a C long. ('%.0f' costs twice that, and knows a "-0".)
local function int(number) return format('%d', number) end

-- One argument for all numbers of an operation: they arrive as numbers, parsed by nobody.
local function unpacked(text)
  local list = {struct.unpack('<' .. string.rep('d', #text / 8), text)}
  list[#list] = nil -- the last one is where unpacking ended
  return list
end

local function open_account()
  local v = call('HMGET', ACCOUNT, 'available', 'held', 'live', 'debt', 'overdraft_held', 'turn_ms', 'st')
  before = {available = tonumber(v[1] or 0), held = tonumber(v[2] or 0), live = tonumber(v[3] or 0),
            debt = tonumber(v[4] or 0), overdraft_held = tonumber(v[5] or 0),
            turn_ms = tonumber(v[6] or 0), status = v[7]}
  total = {available = before.available, held = before.held, live = before.live, debt = before.debt,
           overdraft_held = before.overdraft_held, turn_ms = before.turn_ms}
end

local function count(name, amount) counted[name] = (counted[name] or 0) + amount end

-- `left` and `held` as they stand; `consumed`, `expired` and `voided` are what this script adds.
-- `void`: nothing goes back to it.
local function make_grant(id, member, left, held, void)
  return {id = id, member = member, left = left, left_before = left, held = held, consumed = 0,
          expired = 0, voided = 0, void = void, touched = false}
end

local function grant_of(id)
  local grant = grants[id]
  if not grant then
    local v = call('HMGET', GRANTS, id .. ':m', id .. ':r', id .. ':h', id .. ':z')
    grant = make_grant(id, v[1], tonumber(v[2] or 0), tonumber(v[3] or 0), v[4] and true)
    grants[id] = grant
  end
  return grant
end

-- The index member spells priority|expiry|class|effective|grant id in fixed widths.
local function expires(grant) return tonumber(grant.member:sub(5, 19)) end
local function effective(grant) return tonumber(grant.member:sub(23, 37)) end

-- visit(grant) in burn order until it answers true. One at first: one grant usually pays.
local function walk(visit)
  local from, size = 0, 1
  while true do
    local members = call('ZRANGE', INDEX, int(from), int(from + size - 1))
    for _, member in ipairs(members) do
      if visit(grant_of(member:sub(39))) then return end
    end
    if #members < size then return end
    from, size = from + size, 30
  end
end

local function slices_text(slices)
  if #slices == 1 then return slices[1].id .. ' ' .. int(slices[1].amount) end
  local words = {}
  for i, slice in ipairs(slices) do words[i] = slice.id .. ' ' .. int(slice.amount) end
  return table.concat(words, ' ')
end

local function record(kind, id, amount, debt, observed, slices, event, known)
  journal[#journal + 1] = {kind, id, int(amount), int(debt), int(observed), slices_text(slices),
                           event or '', known}
end

local function turn_at(ms)
  if ms < NEVER and (total.turn_ms == 0 or ms < total.turn_ms) then total.turn_ms = ms end
end

-- Take `amount`, which must be available, in burn order; `into` is 'held', 'consumed' or 'voided'.
local function take(amount, into)
  local slices, missing = {}, amount
  if amount == 0 then return slices end
  walk(function(grant)
    -- turn() ran: what becomes effective or lapses later does so at turn_ms or after.
    if grant.left > 0 and (total.turn_ms == 0 or effective(grant) < total.turn_ms) then
      local part = min(grant.left, missing)
      grant.left, grant[into], missing = grant.left - part, grant[into] + part, missing - part
      grant.touched = true
      slices[#slices + 1] = {id = grant.id, amount = part}
    end
    return missing == 0
  end)
  assert(missing == 0, 'available credit is not in the grants')
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

-- Free credit pays debt before anything else may have it: never are both above zero.
local function pay_debt()
  local part = min(total.debt, total.available)
  if part == 0 then return 0 end
  total.debt = total.debt - part
  record('debt_paid', OPERATION, 0, -part, 0, take(part, 'consumed'))
  return part
end

-- Some grant's hour has come: book what lapsed, count what is available now.
local function turn()
  if total.turn_ms == 0 or NOW < total.turn_ms then return end
  total.turn_ms, total.available = 0, 0
  walk(function(grant)
    if expires(grant) <= NOW then
      lapse(grant, grant.left)
      grant.left = 0
    else
      turn_at(expires(grant))
      if effective(grant) <= NOW then total.available = total.available + grant.left
      else turn_at(effective(grant)) end
    end
  end)
  pay_debt()
end

-- What a call could still get. `running`: overdraft serves it even when nothing is left.
local function spendable(overdraft, running)
  local free = total.available - total.debt
  if overdraft > 0 and (running or free > 0) then
    return total.available + max(0, overdraft - total.debt - total.overdraft_held)
  end
  return free
end

local function commit_grant(grant)
  call('HSET', GRANTS, grant.id .. ':r', int(grant.left), grant.id .. ':h', int(grant.held))
  if grant.consumed > 0 then call('HINCRBY', GRANTS, grant.id .. ':c', int(grant.consumed)) end
  if grant.expired > 0 then call('HINCRBY', GRANTS, grant.id .. ':x', int(grant.expired)) end
  if grant.voided > 0 then call('HINCRBY', GRANTS, grant.id .. ':v', int(grant.voided)) end
  if grant.left == 0 and grant.left_before > 0 then call('ZREM', INDEX, grant.member) end
  if grant.left > 0 and grant.left_before == 0 then call('ZADD', INDEX, '0', grant.member) end
  grant.left_before, grant.consumed, grant.expired, grant.voided = grant.left, 0, 0, 0
  grant.touched = false
end

-- May run more than once: it writes what changed since it last did.
local function commit()
  local t, b = total, before
  if t.available ~= b.available or t.held ~= b.held or t.live ~= b.live then
    call('HSET', ACCOUNT, 'available', int(t.available), 'held', int(t.held), 'live', int(t.live))
    b.available, b.held, b.live = t.available, t.held, t.live
  end
  if t.debt ~= b.debt or t.overdraft_held ~= b.overdraft_held or t.turn_ms ~= b.turn_ms then
    call('HSET', ACCOUNT, 'debt', int(t.debt), 'overdraft_held', int(t.overdraft_held),
         'turn_ms', int(t.turn_ms))
    b.debt, b.overdraft_held, b.turn_ms = t.debt, t.overdraft_held, t.turn_ms
  end
  for name, amount in pairs(counted) do
    if amount > 0 then call('HINCRBY', ACCOUNT, name, int(amount)) end
  end
  for _, grant in pairs(grants) do
    if grant.touched then commit_grant(grant) end
  end
  for _, entry in ipairs(journal) do
    local fields = {'account', ACCOUNT_ID, 'kind', entry[1], 'id', entry[2], 'amount', entry[3],
                    'debt', entry[4], 'observed', entry[5], 'slices', entry[6], 'event', entry[7]}
    if entry[8] then fields[17], fields[18] = 'known', entry[8] end
    call('XADD', OUTBOX, '*', unpack(fields))
  end
  counted, journal = {}, {}
end

-- What every money script shares; the loader puts it in front of each, after `local AMPLE = …`.
-- KEYS  1 account  2 grant index  3 grants  4 outbox        ARGV  1 account id  2 operation id
-- State is read into memory, decided on there, and written by commit(): nothing is written
-- before all checks have passed. Amounts are integers below 2^53; a number becomes text only
-- through int(), because `..` and tostring print 1e+14. The clock is the server's, nobody else's.
local call, min, max = redis.call, math.min, math.max
local ACCOUNT, INDEX, GRANTS, OUTBOX = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ACCOUNT_ID, OPERATION = ARGV[1], ARGV[2]
local NEVER = 999999999999999
local TOTALS = {'available', 'held', 'consumed', 'charged', 'live', 'debt', 'turn_ms', 'expired',
                'overdraft_held', 'observed', 'granted'}
local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)
local total, total_read, grants, journal = {}, {}, {}, {}

-- Exact below 2^53: '%d' prints a C long. ('%.0f' costs twice that, and knows a "-0".)
local format = string.format
local function int(number) return format('%d', number) end

local function open_account()
  local values = call('HMGET', ACCOUNT, 'st', unpack(TOTALS))
  for i, name in ipairs(TOTALS) do
    total[name] = tonumber(values[i + 1] or 0)
    total_read[name] = total[name]
  end
  total.status = values[1]
end

-- The index member spells priority|expiry|class|effective|grant id in fixed widths.
local function parse_grant(id, member, left, held, consumed, expired)
  return {id = id, member = member, expires = tonumber(member:sub(5, 19)),
          effective = tonumber(member:sub(23, 37)), left = left, held = held, consumed = consumed,
          expired = expired, read = {left = left, held = held, consumed = consumed, expired = expired}}
end

local function load_grants(ids)
  local fields, missing = {}, {}
  for _, id in ipairs(ids) do
    if not grants[id] then
      missing[#missing + 1] = id
      local at = #fields
      fields[at + 1], fields[at + 2], fields[at + 3] = id .. ':m', id .. ':r', id .. ':h'
      fields[at + 4], fields[at + 5] = id .. ':c', id .. ':x'
    end
  end
  if #missing == 0 then return end
  local v = call('HMGET', GRANTS, unpack(fields))
  for i, id in ipairs(missing) do
    local at = (i - 1) * 5
    grants[id] = parse_grant(id, v[at + 1], tonumber(v[at + 2] or 0), tonumber(v[at + 3] or 0),
                             tonumber(v[at + 4] or 0), tonumber(v[at + 5] or 0))
  end
end

-- visit(grant) in burn order until it answers true. Small chunks first: one grant usually pays.
local function walk(visit)
  local from, size = 0, 2
  while true do
    local ids = call('ZRANGE', INDEX, int(from), int(from + size - 1))
    for i, member in ipairs(ids) do ids[i] = member:sub(39) end
    load_grants(ids)
    for _, id in ipairs(ids) do
      if visit(grants[id]) then return end
    end
    if #ids < size then return end
    from, size = from + size, 30
  end
end

local function slices_text(slices)
  local words = {}
  for _, slice in ipairs(slices) do
    words[#words + 1] = slice.id
    words[#words + 1] = int(slice.amount)
  end
  return table.concat(words, ' ')
end

local function record(kind, id, amount, debt, observed, slices, event)
  journal[#journal + 1] = {kind, id, int(amount), int(debt), int(observed), slices_text(slices),
                           event or ''}
end

local function turn_at(ms)
  if ms < NEVER and (total.turn_ms == 0 or ms < total.turn_ms) then total.turn_ms = ms end
end

-- Take `amount`, which must be available, in burn order; `into` is 'held' or 'consumed'.
local function take(amount, into)
  local slices, missing = {}, amount
  if amount == 0 then return slices end
  walk(function(grant)
    -- turn() ran: what becomes effective or lapses later does so at turn_ms or after.
    if grant.left > 0 and (total.turn_ms == 0 or grant.effective < total.turn_ms) then
      local part = min(grant.left, missing)
      grant.left, grant[into], missing = grant.left - part, grant[into] + part, missing - part
      slices[#slices + 1] = {id = grant.id, amount = part}
    end
    return missing == 0
  end)
  assert(missing == 0, 'available credit is not in the grants')
  total.available, total[into] = total.available - amount, total[into] + amount
  return slices
end

local function lapse(grant, amount)
  grant.expired, total.expired = grant.expired + amount, total.expired + amount
  record('grant_expired', grant.id, amount, 0, 0, {{id = grant.id, amount = amount}})
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
    if grant.expires <= NOW then
      lapse(grant, grant.left)
      grant.left = 0
    else
      turn_at(grant.expires)
      if grant.effective <= NOW then total.available = total.available + grant.left
      else turn_at(grant.effective) end
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

local FIELDS = {left = ':r', held = ':h', consumed = ':c', expired = ':x'}

local function commit_grant(grant)
  local read, changed = grant.read, {}
  for name, field in pairs(FIELDS) do
    if grant[name] ~= read[name] then
      changed[#changed + 1] = grant.id .. field
      changed[#changed + 1] = int(grant[name])
    end
  end
  if #changed > 0 then call('HSET', GRANTS, unpack(changed)) end
  if grant.left == 0 and read.left > 0 then call('ZREM', INDEX, grant.member) end
  if grant.left > 0 and read.left == 0 then call('ZADD', INDEX, '0', grant.member) end
  for name in pairs(read) do read[name] = grant[name] end
end

local function commit()
  local changed = {}
  for _, name in ipairs(TOTALS) do
    if total[name] ~= total_read[name] then
      changed[#changed + 1], changed[#changed + 2] = name, int(total[name])
      total_read[name] = total[name]
    end
  end
  if #changed > 0 then call('HSET', ACCOUNT, unpack(changed)) end
  for _, grant in pairs(grants) do commit_grant(grant) end
  for _, entry in ipairs(journal) do
    call('XADD', OUTBOX, '*', 'account', ACCOUNT_ID, 'kind', entry[1], 'id', entry[2], 'amount', entry[3],
         'debt', entry[4], 'observed', entry[5], 'slices', entry[6], 'event', entry[7])
  end
  journal = {}
end

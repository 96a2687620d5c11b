-- What the scripts that touch an existing hold share; prepended to them after common.lua.
-- KEYS  5 due zset  6 hold hash. Hold fields: st state, a account id, b buckets (JSON, for the
-- reaper), sl slices, od overdraft held, bh held per bucket, obs observe, seq and ck and ev the
-- last checkpoint (ck: charge, input tokens, output tokens, then the amount per bucket).
local DUE, HOLD = KEYS[5], KEYS[6]
local TOMBSTONE_MS = '86400000'

local function numbers(text)
  local list = {}
  for word in string.gmatch(text or '', '%d+') do list[#list + 1] = tonumber(word) end
  return list
end

local function join(list)
  local words = {}
  for i, number in ipairs(list) do words[i] = int(number) end
  return table.concat(words, ' ')
end

local function read_hold()
  local v = call('HMGET', HOLD, 'st', 'sl', 'od', 'bh', 'obs', 'seq', 'ck')
  local hold = {state = v[1], slices = {}, overdraft = tonumber(v[3] or 0), in_bucket = numbers(v[4] or ''),
                observe = v[5] == '1', sequence = tonumber(v[6] or 0), checkpoint = numbers(v[7] or '')}
  hold.amount = hold.overdraft
  for id, amount in string.gmatch(v[2] or '', '(%S+) (%d+)') do
    hold.slices[#hold.slices + 1] = {id = id, amount = tonumber(amount)}
    hold.amount = hold.amount + tonumber(amount)
  end
  return hold
end

-- A call that extends often, or overruns, keeps one slice per grant as long as grants last.
local function add_slices(list, more)
  for _, slice in ipairs(more) do
    local last = list[#list]
    if last and last.id == slice.id then last.amount = last.amount + slice.amount
    else list[#list + 1] = slice end
  end
end

-- Charge what no hold covers: free credit, then debt (or merely observed). Answers what paid.
local function charge_directly(charge, observe)
  local slices = take(min(charge, total.available), 'consumed')
  local missing = charge
  for _, slice in ipairs(slices) do missing = missing - slice.amount end
  local debt, observed = missing, 0
  if observe then debt, observed = 0, missing end
  total.debt, total.observed = total.debt + debt, total.observed + observed
  total.charged = total.charged + charge
  return slices, debt, observed
end

-- Replace the hold's slices by `charge`, in order; the rest returns to the grants it came from,
-- or lapses with them. Answers what paid, the debt made and the part merely observed.
local function resolve(hold, charge, observe)
  local ids, paid, missing = {}, {}, charge
  for i, slice in ipairs(hold.slices) do ids[i] = slice.id end
  load_grants(ids)
  for _, slice in ipairs(hold.slices) do
    local grant, part = grants[slice.id], min(slice.amount, missing)
    local back = slice.amount - part
    grant.held, total.held = grant.held - slice.amount, total.held - slice.amount
    grant.consumed, total.consumed = grant.consumed + part, total.consumed + part
    missing = missing - part
    if part > 0 then paid[#paid + 1] = {id = grant.id, amount = part} end
    if back > 0 and grant.expires <= NOW then lapse(grant, back)
    elseif back > 0 then
      grant.left, total.available = grant.left + back, total.available + back
      turn_at(grant.expires)
    end
  end
  total.overdraft_held, total.live = total.overdraft_held - hold.overdraft, total.live - 1
  total.charged = total.charged + charge - missing
  if total.debt > 0 and total.available > 0 then
    commit() -- what came back must be in the index before it can be taken from there
    pay_debt()
  end
  local more, debt, observed = charge_directly(missing, observe)
  add_slices(paid, more)
  return paid, debt, observed
end

-- A bucket the store forgot with its window comes back for the rest of its time only.
local function book_bucket(key, held, used, expires)
  local v = call('HMGET', key, 'held', 'used')
  local left, sum = max(0, tonumber(v[1] or 0) - held), tonumber(v[2] or 0) + used
  if left == 0 and sum == 0 then return call('DEL', key) end
  call('HSET', key, 'held', int(left), 'used', int(sum))
  if not v[1] and expires ~= '0' then call('PEXPIREAT', key, expires) end
end

-- Usage of one UTC day by model; kept for 400 days after the model was first used on it.
local function roll_up(key, model, calls, input, output, charge)
  local names = {'calls ' .. model, 'input ' .. model, 'output ' .. model, 'charge ' .. model}
  local v = call('HMGET', key, unpack(names))
  call('HSET', key, names[1], int((v[1] or 0) + calls), names[2], int((v[2] or 0) + input),
       names[3], int((v[3] or 0) + output), names[4], int((v[4] or 0) + charge))
  if not v[1] then call('PEXPIRE', key, '34560000000') end
end

-- Ended holds answer for a day; of an expired one a late settle must know what it charged.
local function entomb(ending, charged)
  call('ZREM', DUE, OPERATION)
  call('DEL', HOLD)
  call('HSET', HOLD, 'st', ending, 'ck', charged or '')
  call('PEXPIRE', HOLD, TOMBSTONE_MS)
end

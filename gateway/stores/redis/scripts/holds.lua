-- What the scripts that touch an existing hold share; prepended to them after common.lua.
-- KEYS  5 due zset  6 hold hash. Hold fields: st state, a account id, b buckets (JSON, for the
-- reaper), sl slices, od overdraft held, bh held per bucket, obs observe, ans the first answer,
-- seq and ck and ev the last checkpoint (ck: charge, input tokens, output tokens, then the
-- amount per bucket), j the job it was kept for, rec the reservation (JSON). Of an expired hold ps,
-- the pieces it was charged, and ev, the event that told of it.
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
  local v = call('HMGET', HOLD, 'st', 'sl', 'od', 'bh', 'obs', 'seq', 'ck', 'ps')
  local hold = {state = v[1], slices = {}, overdraft = tonumber(v[3] or 0), in_bucket = numbers(v[4] or ''),
                observe = v[5] == '1', sequence = tonumber(v[6] or 0), checkpoint = numbers(v[7] or ''),
                pieces = v[8] or ''}
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
  local covered, debt, observed = min(charge, total.available), 0, 0
  if observe then observed = charge - covered else debt = charge - covered end
  local slices = take(covered, 'consumed')
  total.debt = total.debt + debt
  count('observed', observed)
  count('charged', charge)
  return slices, debt, observed
end

-- One slice back to its grant, less what was consumed of it; with a lapsed grant it lapses, and
-- what comes back to a void one is void.
local function return_slice(slice, part)
  local grant, back = grant_of(slice.id), slice.amount - part
  grant.held, grant.consumed, grant.touched = grant.held - slice.amount, grant.consumed + part, true
  total.held = total.held - slice.amount
  if back > 0 and grant.void then void(grant, back)
  elseif back > 0 and expires(grant) <= NOW then lapse(grant, back)
  elseif back > 0 then
    grant.left, total.available = grant.left + back, total.available + back
    turn_at(expires(grant))
  end
end

-- Replace the hold's slices by `charge`, in order; the rest goes back where it came from.
-- Answers what paid, the debt made and the part merely observed.
local function resolve(hold, charge, observe)
  local paid, missing = {}, charge
  for _, slice in ipairs(hold.slices) do
    local part = min(slice.amount, missing)
    return_slice(slice, part)
    missing = missing - part
    if part > 0 then paid[#paid + 1] = {id = slice.id, amount = part} end
  end
  total.overdraft_held, total.live = total.overdraft_held - hold.overdraft, total.live - 1
  count('charged', charge - missing)
  if total.debt > 0 and total.available > 0 then
    commit() -- what came back must be in the index before it can be taken from there
    pay_debt()
  end
  if missing == 0 then return paid, 0, 0 end
  local more, debt, observed = charge_directly(missing, observe)
  add_slices(paid, more)
  return paid, debt, observed
end

-- Held units become used ones. A bucket the store forgot with its window comes back for the
-- rest of its time only; one without a window goes when nothing is left in it.
local function book_bucket(key, held, used, expires_ms)
  local left, sum = 0, 0
  if held > 0 then left = call('HINCRBY', key, 'held', int(-held)) end
  if used > 0 then sum = call('HINCRBY', key, 'used', int(used)) end
  if left < 0 then
    call('HSET', key, 'held', '0')
    left = 0
  end
  if sum == 0 and left == 0 and held > 0 and (call('HGET', key, 'used') or '0') == '0' then
    call('DEL', key)
  elseif sum == used and expires_ms > 0 then
    call('PEXPIREAT', key, int(expires_ms))
  end
end

-- Usage of one UTC day by model; kept for 400 days after the model was first used on it.
local function roll_up(key, model, calls, input, output, charge)
  if call('HINCRBY', key, 'calls ' .. model, int(calls)) == 1 then call('PEXPIRE', key, '34560000000') end
  call('HINCRBY', key, 'input ' .. model, int(input))
  call('HINCRBY', key, 'output ' .. model, int(output))
  call('HINCRBY', key, 'charge ' .. model, int(charge))
end

-- Pieces by kind ('image 3 web_search 1'), less what was rolled up of them before.
local function roll_up_pieces(key, model, pieces, known)
  local before = {}
  for kind, amount in string.gmatch(known, '(%S+) (%d+)') do before[kind] = tonumber(amount) end
  for kind, amount in string.gmatch(pieces, '(%S+) (%d+)') do
    local more = tonumber(amount) - (before[kind] or 0)
    if more > 0 then call('HINCRBY', key, 'piece:' .. kind .. ' ' .. model, int(more)) end
  end
end

-- A job is asked for until none of its holds is open any more.
local function end_job(job, open)
  if not job then return end
  call('HDEL', job, OPERATION)
  if call('EXISTS', job) == 0 then call('ZREM', open, job) end
end

-- Ended holds answer for a day; of an expired one a late settle must know what it charged.
local function entomb(ending, charged, pieces, event)
  call('ZREM', DUE, OPERATION)
  call('DEL', HOLD)
  call('HSET', HOLD, 'st', ending, 'ck', charged or '')
  if pieces then call('HSET', HOLD, 'ps', pieces) end
  if event then call('HSET', HOLD, 'ev', event) end
  call('PEXPIRE', HOLD, TOMBSTONE_MS)
end

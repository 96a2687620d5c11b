-- What the scripts that touch an existing hold share; comes after common.lua and held.lua.
-- KEYS  5 due zset  6 hold
local DUE, HOLD
local NO_HOLD = {amount = 0, slices = {}, in_bucket = {}}

-- `state` is nil of one that is not there. One that ended holds nothing.
local function read_hold(k)
  DUE, HOLD = KEYS[k + 5], KEYS[k + 6]
  local text = call('GET', HOLD)
  if not text then return NO_HOLD end
  if #text > 1 then return hold_of(text) end
  return {state = STATES[text], amount = 0, slices = {}, in_bucket = {}}
end

local function write_hold(hold) call('SET', HOLD, hold_text('h', hold)) end

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
  total.observed, total.charged = total.observed + observed, total.charged + charge
  return slices, debt, observed
end

-- One slice back to its grant, less what was consumed of it; with a lapsed grant it lapses, as does
-- what is above that which may roll over, and what comes back to a void one is void.
local function return_slice(slice, part)
  local grant, back = grant_of(slice.id), slice.amount - part
  grant.held, grant.consumed, grant.touched = grant.held - slice.amount, grant.consumed + part, true
  total.held = total.held - slice.amount
  if back == 0 then return end
  if grant.void == 1 then return void(grant, back) end
  if grant.expires_ms <= NOW and not roll_over(grant) then return lapse(grant, back) end
  if grant.cap > 0 and grant.rolls_ms == 0 then
    local above = min(back, max(0, grant.left + grant.held + back - grant.cap))
    if above > 0 then lapse(grant, above) end
    back = back - above
  end
  grant.left, total.available = grant.left + back, total.available + back
  turn_at(grant.expires_ms)
end

-- Replace the hold's slices by `charge`, in order; the rest goes back where it came from.
-- Answers what paid, the debt made and the part merely observed.
local function resolve(hold, charge, observe)
  local paid, missing, ids = {}, charge, {}
  for i, slice in ipairs(hold.slices) do ids[i] = slice.id end
  read_grants(ids)
  for _, slice in ipairs(hold.slices) do
    local part = min(slice.amount, missing)
    return_slice(slice, part)
    missing = missing - part
    if part > 0 then paid[#paid + 1] = {id = slice.id, amount = part} end
  end
  total.overdraft_held, total.live = total.overdraft_held - hold.overdraft, total.live - 1
  total.charged = total.charged + charge - missing
  if total.debt > 0 and total.available > 0 then
    commit() -- what came back must be in the index before it can be taken from there
    pay_debt()
  end
  if missing == 0 then return paid, 0, 0 end
  local more, debt, observed = charge_directly(missing, observe)
  add_slices(paid, more)
  return paid, debt, observed
end

-- Held units become used ones, as long as the window lasts; in one that is over nobody looks.
local function book_bucket(block, id, expires_ms, held, used)
  if expires_ms > 0 and expires_ms <= NOW then used = 0 end
  local cells, at = block.cells, bucket_at(block, id)
  if at then
    held = cells[at + 2] - held
    cells[at + 2], cells[at + 3], block.touched = held > 0 and held or 0, cells[at + 3] + used, true
  elseif used > 0 then add_units(block, id, expires_ms, 0, used) end
end

-- Each bucket of these places.
local function book_buckets(place, in_bucket, used)
  for i = 1, #place / 3 do
    local at = 3 * i - 2
    book_bucket(blocks[place[at + 2]], place[at], place[at + 1], in_bucket[i] or 0, used[i] or 0)
  end
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
  local before = call('HLEN', job)
  if before <= call('HDEL', job, OPERATION) then call('ZREM', open, job) end
end

-- Ended holds answer for a day; of an expired one a late settle must know what it charged.
local function entomb(text)
  call('ZREM', DUE, OPERATION)
  call('SET', HOLD, text, 'PX', TOMBSTONE_MS)
end

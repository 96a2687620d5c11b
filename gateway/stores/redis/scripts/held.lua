-- A hold as it is stored, a string; comes before what reads or writes one. Numbers are doubles.
-- Of one that goes on, and of one that expired: its state; overdraft held, observe (1/0); then texts, each
--   after four bytes of its length: account; where (see open_account); slices (amount, and the grant's id
--   after two bytes of its length); held, per charge; the first answer's numbers. Last, as `more`, with MessagePack, what only
--   some have: sequence, checkpoint (charge, input tokens, output tokens, then the amount per bucket) and event
--   (JSON), the last that was booked; job (it was kept for); reservation (JSON), if it is one; pieces.
--   If it expired: checkpoint, pieces and event, as far as they were charged, and its reservation.
-- Of one that was settled or released: its state, nothing else.
local HELD = '<c1ddIc0Ic0Ic0Ic0Ic0'
local STATES = {h = 'held', s = 'settled', r = 'released', x = 'expired'}

local function hold_text(state, hold)
  local parts = {}
  for i, slice in ipairs(hold.slices) do parts[i] = struct.pack('<dHc0', slice.amount, #slice.id, slice.id) end
  local slices = parts[2] and table.concat(parts) or parts[1] or ''
  local units = packed(hold.in_bucket)
  local text = struct.pack(HELD, state, hold.overdraft, hold.observe and 1 or 0, #hold.account, hold.account,
                           #hold.where, hold.where, #slices, slices, #units, units, #hold.answer, hold.answer)
  return hold.more and text .. cmsgpack.pack(hold.more) or text
end

-- Of a text that hold_text() wrote. `amount`: what it holds.
local function hold_of(text)
  local state, overdraft, observe, account, where, slices, units, answer, at = struct.unpack(HELD, text)
  local list, amount, from = {}, overdraft, 1
  while from <= #slices do
    local part, id, after = struct.unpack('<dHc0', slices, from)
    list[#list + 1] = {id = id, amount = part}
    amount, from = amount + part, after
  end
  return {state = STATES[state], overdraft = overdraft, observe = observe == 1, account = account, where = where,
          slices = list, amount = amount, in_bucket = unpacked(units), answer = answer,
          more = at <= #text and cmsgpack.unpack(text:sub(at)) or nil}
end

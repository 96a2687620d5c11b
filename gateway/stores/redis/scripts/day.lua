-- What an ended call leaves behind: for how long it is known, and its day's sums. Comes before holds.lua.
local TOMBSTONE_MS = '86400000'

-- Usage of one UTC day by model; kept for 400 days after the model was first used on it.
local function roll_up(key, model, calls, input, output, charge)
  local field = 'model:' .. model
  local known = call('HGET', key, field)
  if known then
    local a, b, c, d = struct.unpack('<dddd', known)
    calls, input, output, charge = calls + a, input + b, output + c, charge + d
  end
  call('HSET', key, field, struct.pack('<dddd', calls, input, output, charge))
  if not known then call('PEXPIRE', key, '34560000000') end
end

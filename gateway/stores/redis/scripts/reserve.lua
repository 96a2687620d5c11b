-- reserve: hold credit and units in every bucket of a call, all or nothing.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the charges' order
--       last: the key's record, if the reservation is bound to a key
-- ARGV  3 the caller's idea of now  4 least  5 full  6 overdraft limit  7 observe (1/0)  8 lease ms
--       9 buckets as JSON, for the reaper  10 only if ample (1/0)
--       11.. per charge: least, full, ceiling, shadow, expires ms
-- Reply {'reserved', now, 'held full available room…'}
--     | {'refused', now, reason, available, held, limit index, room…}
--     | {'ended', now, ending} | {'clock_skew', now}
-- No TTL on a hold: letting Redis forget it would leave its amount held for ever.
local FIRST, WIDTH = 11, 5
local DUE, HOLD = KEYS[5], KEYS[6]
local charges = (#ARGV - FIRST + 1) / WIDTH
local known = call('HMGET', HOLD, 'st', 'ans')
if known[1] == 'held' then return {'reserved', NOW, known[2]} end
if known[1] then return {'ended', NOW, known[1]} end
-- Off by more than a second: wrong windows, or a reserve nobody waits for any more.
if math.abs(NOW - tonumber(ARGV[3])) > 1000 then return {'clock_skew', NOW} end

open_account()
turn()
local least, full = tonumber(ARGV[4]), tonumber(ARGV[5])
local overdraft, observe = tonumber(ARGV[6]), ARGV[7] == '1'
local only_ample = ARGV[10] == '1'
local choice = only_ample or full > least
local buckets, rooms, ample = {}, {}, not choice or total.available >= (only_ample and PLENTY or AMPLE) * full
for i = 1, charges do
  local at = FIRST + (i - 1) * WIDTH
  local v = call('HMGET', KEYS[6 + i], 'held', 'used')
  local room = ARGV[at + 2] - (v[1] or 0) - (v[2] or 0)
  local shadow, single = ARGV[at + 3] == '1', ARGV[at + 1] == '1'
  choice = ARGV[at] ~= ARGV[at + 1] or (only_ample and not single)
  if choice and not shadow and room < AMPLE * ARGV[at + 1] then ample = false end
  buckets[i] = {at = at, shadow = shadow, room = room, new = not v[1]}
  rooms[i] = max(0, room)
end

local function refuse(reason, index)
  commit()
  return {'refused', NOW, reason, spendable(overdraft, false), total.held + total.overdraft_held, index,
          unpack(rooms)}
end

local record_key = KEYS[7 + charges]
if record_key and call('HGET', record_key, 'st') ~= 'active' then return refuse('key', 0) end
if before.status and before.status ~= 'active' then return refuse('account', 0) end
if only_ample and not ample then return refuse('balance', 0) end
local amount = ample and full or least
for i, bucket in ipairs(buckets) do
  bucket.add = ARGV[bucket.at + (ample and 1 or 0)]
  if tonumber(bucket.add) > rooms[i] and not (bucket.shadow or observe) then
    return refuse('limit', i - 1)
  end
end
if observe then amount = min(amount, max(0, total.available)) end
if amount > spendable(overdraft, false) and not observe then return refuse('balance', 0) end

local covered = min(amount, total.available)
local slices = take(covered, 'held')
total.overdraft_held, total.live = total.overdraft_held + amount - covered, total.live + 1
local in_bucket, answer = '', int(amount) .. (ample and ' 1 ' or ' 0 ') .. int(total.available)
for i, bucket in ipairs(buckets) do
  local key, expires_ms = KEYS[6 + i], ARGV[bucket.at + 4]
  call('HINCRBY', key, 'held', bucket.add)
  if bucket.new and expires_ms ~= '0' then call('PEXPIREAT', key, expires_ms) end
  in_bucket = in_bucket .. bucket.add .. ' '
  answer = answer .. ' ' .. int(max(0, bucket.room - bucket.add))
end
call('HSET', HOLD, 'st', 'held', 'a', ACCOUNT_ID, 'b', ARGV[9], 'sl', slices_text(slices), 'od',
     int(amount - covered), 'bh', in_bucket, 'obs', ARGV[7], 'ans', answer)
call('ZADD', DUE, int(NOW + ARGV[8]), OPERATION)
commit()
return {'reserved', NOW, answer}

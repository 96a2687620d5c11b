-- reserve: hold credit and units in every bucket of a call, all or nothing.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the charges' order
--       last: the key's record, if the reservation is bound to a key
-- ARGV  3 NUMBERS  4 buckets as JSON, for the reaper  5 the reservation as given (JSON), if it is one
-- NUMBERS  1 the caller's idea of now  2 least  3 full  4 overdraft limit  5 observe (1/0)  6 lease ms
--       7 only if ample (1/0), or hold nothing (2)  8.. per charge: least, full, ceiling, shadow, expires ms
-- Reply {'reserved', now, 'held full available room…'}
--     | {'refused', now, reason, available, held, limit index, room…}
--     | {'ended', now, ending} | {'clock_skew', now}
-- No TTL on a hold: letting Redis forget it would leave its amount held for ever.
local FIRST, WIDTH = 8, 5
local DUE, HOLD = KEYS[5], KEYS[6]
local known = call('HMGET', HOLD, 'st', 'ans')
if known[1] == 'held' then return {'reserved', NOW, known[2]} end
if known[1] then return {'ended', NOW, known[1]} end
local given = unpacked(ARGV[3])
local charges = (#given - FIRST + 1) / WIDTH
-- Off by more than a second: wrong windows, or a reserve nobody waits for any more.
if math.abs(NOW - given[1]) > 1000 then return {'clock_skew', NOW} end

open_account()
turn()
local least, full, overdraft = given[2], given[3], given[4]
local observe, only_ample = given[5] == 1, given[7] == 1
local choice = only_ample or full > least
local buckets, rooms, ample = {}, {}, not choice or total.available >= (only_ample and PLENTY or AMPLE) * full
for i = 1, charges do
  local at = FIRST + (i - 1) * WIDTH
  local v = call('HMGET', KEYS[6 + i], 'held', 'used')
  local room = given[at + 2] - (v[1] or 0) - (v[2] or 0)
  local shadow, single = given[at + 3] == 1, given[at + 1] == 1
  choice = given[at] ~= given[at + 1] or (only_ample and not single)
  if choice and not shadow and room < AMPLE * given[at + 1] then ample = false end
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
  bucket.add = given[bucket.at + (ample and 1 or 0)]
  if bucket.add > rooms[i] and not (bucket.shadow or observe) then
    return refuse('limit', i - 1)
  end
end
if observe then amount = min(amount, max(0, total.available)) end
if amount > spendable(overdraft, false) and not observe then return refuse('balance', 0) end

if given[7] == 2 then
  for i, bucket in ipairs(buckets) do rooms[i] = int(max(0, bucket.room - bucket.add)) end
  commit()
  return {'reserved', NOW, int(amount) .. (ample and ' 1 ' or ' 0 ') .. int(total.available) .. ' '
          .. table.concat(rooms, ' ')}
end

local covered = min(amount, total.available)
local slices = take(covered, 'held')
total.overdraft_held, total.live = total.overdraft_held + amount - covered, total.live + 1
local in_bucket, answer = '', int(amount) .. (ample and ' 1 ' or ' 0 ') .. int(total.available)
for i, bucket in ipairs(buckets) do
  local key, expires_ms, add = KEYS[6 + i], given[bucket.at + 4], int(bucket.add)
  call('HINCRBY', key, 'held', add)
  if bucket.new and expires_ms > 0 then call('PEXPIREAT', key, int(expires_ms)) end
  in_bucket = in_bucket .. add .. ' '
  answer = answer .. ' ' .. int(max(0, bucket.room - bucket.add))
end
call('HSET', HOLD, 'st', 'held', 'a', ACCOUNT_ID, 'b', ARGV[4], 'sl', slices_text(slices), 'od',
     int(amount - covered), 'bh', in_bucket, 'obs', int(given[5]), 'ans', answer)
if ARGV[5] then call('HSET', HOLD, 'rec', ARGV[5]) end
call('ZADD', DUE, int(NOW + given[6]), OPERATION)
commit()
return {'reserved', NOW, answer}

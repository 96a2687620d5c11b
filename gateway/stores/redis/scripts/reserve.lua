-- reserve: hold credit and units in every bucket of a call, all or nothing.
-- KEYS  1-4 as common.lua  5 due zset  6 hold  7.. buckets in the charges' order
--       last: the key's record, if the reservation is bound to a key
-- ARGV  3 the caller's idea of now  4 least  5 full  6 overdraft limit  7 observe (1/0)  8 lease ms
--       9 buckets as JSON, for the reaper  10.. per charge: least, full, ceiling, shadow, expires ms
-- Reply {'reserved', now, 'held full available room…'}
--     | {'refused', now, reason, available, held, limit index, room…}
--     | {'ended', now, ending} | {'clock_skew', now}
-- No TTL on a hold: letting Redis forget it would leave its amount held for ever.
local FIRST, WIDTH = 10, 5
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
local buckets, rooms = {}, {}
local ample = full <= least or total.available >= AMPLE * full
for i = 1, charges do
  local at = FIRST + (i - 1) * WIDTH
  local v = call('HMGET', KEYS[6 + i], 'held', 'used')
  local bucket = {held = tonumber(v[1] or 0), least = tonumber(ARGV[at]), full = tonumber(ARGV[at + 1]),
                  shadow = ARGV[at + 3] == '1', expires = not v[1] and ARGV[at + 4] or '0'}
  bucket.room = tonumber(ARGV[at + 2]) - tonumber(v[2] or 0) - bucket.held
  if bucket.full > bucket.least and not bucket.shadow and bucket.room < AMPLE * bucket.full then
    ample = false
  end
  buckets[i], rooms[i] = bucket, max(0, bucket.room)
end

local function refuse(reason, index)
  commit()
  return {'refused', NOW, reason, spendable(overdraft, false), total.held + total.overdraft_held, index,
          unpack(rooms)}
end

local record_key = KEYS[7 + charges]
if record_key and call('HGET', record_key, 'st') ~= 'active' then return refuse('key', 0) end
if total.status and total.status ~= 'active' then return refuse('account', 0) end
local amount = ample and full or least
for i, bucket in ipairs(buckets) do
  bucket.add = ample and bucket.full or bucket.least
  if bucket.add > rooms[i] and not (bucket.shadow or observe) then return refuse('limit', i - 1) end
end
if observe then amount = min(amount, max(0, total.available)) end
if amount > spendable(overdraft, false) and not observe then return refuse('balance', 0) end

local covered = min(amount, total.available)
local slices = take(covered, 'held')
total.overdraft_held, total.live = total.overdraft_held + amount - covered, total.live + 1
local answer, in_bucket = {int(amount), ample and '1' or '0', int(total.available)}, {}
for i, bucket in ipairs(buckets) do
  call('HSET', KEYS[6 + i], 'held', int(bucket.held + bucket.add))
  if bucket.expires ~= '0' then call('PEXPIREAT', KEYS[6 + i], bucket.expires) end
  in_bucket[i], answer[3 + i] = int(bucket.add), int(max(0, bucket.room - bucket.add))
end
answer = table.concat(answer, ' ')
call('HSET', HOLD, 'st', 'held', 'a', ACCOUNT_ID, 'b', ARGV[9], 'sl', slices_text(slices), 'od',
     int(amount - covered), 'bh', table.concat(in_bucket, ' '), 'obs', ARGV[7], 'ans', answer)
call('ZADD', DUE, int(NOW + tonumber(ARGV[8])), OPERATION)
commit()
return {'reserved', NOW, answer}

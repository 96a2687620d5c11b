-- grant: put credit into an account; debt is paid from it first.
-- KEYS  1-4 as common.lua  5 agenda  6 ids
-- ARGV  3 amount  4 priority  5 expires ms (0 never)  6 class (0 promo, 1 paid)
--       7 effective ms (0 now)  8 the grant as given (JSON), to tell a repetition from a conflict
--       9 what rolls over at its expiry (0 nothing)  10 until when, ms
--       11 since when the account must have been on its plan, ms, or nothing
--       12 how many that are used up stay as they are, see forget.lua
-- Reply {'granted', now, repeated, debt paid} | {'conflict', now} | {'overflow', now} | {'moved', now}
begin(0, 0)
IDS = KEYS[6]
local known = call('HGET', GRANTS, OPERATION .. ':i')
local forgotten = not known and known_by_id(OPERATION)
if known == ARGV[8] or forgotten and forgotten.kind ~= 'c' and forgotten.given == digest(ARGV[8]) then
  return {'granted', NOW, 1, 0}
end
if known or forgotten then return {'conflict', NOW} end
if ARGV[11] ~= '' then
  local v = call('HMGET', ACCOUNT, 'since', 'created')
  local since = v[1] and v[1] ~= '0' and v[1] or v[2]
  if since ~= ARGV[11] then return {'moved', NOW} end
end
local amount, expires_ms, effective_ms = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[7])
open_account()
-- The largest integer a Lua number holds exactly; beyond it sums would lie.
if total.granted + amount > 9007199254740991 then return {'overflow', NOW} end
turn()

if expires_ms == 0 then expires_ms = NEVER end
if effective_ms == 0 then effective_ms = NOW end
local member = format('%03d|%015d|%s|%015d|%s', ARGV[4], expires_ms, ARGV[6], effective_ms, OPERATION)
local text = struct.pack(GRANT, 0, 0, 0, 0, 0, 0, expires_ms, effective_ms, ARGV[9], ARGV[10], member)
local grant = stored_grant(text, 1)
grant.touched = true
total.granted = total.granted + amount
record('funded', OPERATION, amount, 0, 0, {}, '{"given":' .. ARGV[8] .. '}')
if expires_ms <= NOW then lapse(grant, amount)
else
  grant.left = amount
  turn_at(expires_ms)
  if effective_ms > NOW then turn_at(effective_ms)
  else
    total.available = total.available + amount
    come_into_force(grant)
  end
end
call('HSET', GRANTS, OPERATION .. ':i', ARGV[8])
if expires_ms < NEVER or effective_ms > NOW then call('ZADD', KEYS[5], 'LT', int(NOW), ACCOUNT_ID) end
commit() -- the new grant must be in the index before debt can be paid from it
local paid = pay_debt()
commit()
forget(tonumber(ARGV[12]))
return {'granted', NOW, 0, paid}

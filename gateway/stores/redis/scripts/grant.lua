-- grant: put credit into an account; debt is paid from it first.
-- KEYS  as common.lua
-- ARGV  3 amount  4 priority  5 expires ms (0 never)  6 class (0 promo, 1 paid)
--       7 effective ms (0 now)  8 the grant as given (JSON), to tell a repetition from a conflict
-- Reply {'granted', now, repeated, debt paid} | {'conflict', now} | {'overflow', now}
local known = call('HGET', GRANTS, OPERATION .. ':i')
if known == ARGV[8] then return {'granted', NOW, 1, 0} end
if known or call('HEXISTS', GRANTS, OPERATION .. ':n') == 1 then return {'conflict', NOW} end
local amount, expires_ms, effective_ms = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[7])
-- The largest integer a Lua number holds exactly; beyond it sums would lie.
local granted = tonumber(call('HGET', ACCOUNT, 'granted') or 0)
if granted + amount > 9007199254740991 then return {'overflow', NOW} end
open_account()
turn()

if expires_ms == 0 then expires_ms = NEVER end
if effective_ms == 0 then effective_ms = NOW end
local member = format('%03d|%015d|%s|%015d|%s', ARGV[4], expires_ms, ARGV[6], effective_ms, OPERATION)
local grant = make_grant(OPERATION, member, 0, 0)
grants[OPERATION], grant.touched = grant, true
count('granted', amount)
record('funded', OPERATION, amount, 0, 0, {})
if expires_ms <= NOW then lapse(grant, amount)
else
  grant.left = amount
  turn_at(expires_ms)
  if effective_ms <= NOW then total.available = total.available + amount
  else turn_at(effective_ms) end
end
call('HSET', GRANTS, OPERATION .. ':i', ARGV[8], OPERATION .. ':m', member)
commit() -- the new grant must be in the index before debt can be paid from it
local paid = pay_debt()
commit()
return {'granted', NOW, 0, paid}

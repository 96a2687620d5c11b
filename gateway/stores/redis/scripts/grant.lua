-- grant: put credit into an account; debt is paid from it first.
-- KEYS  as common.lua
-- ARGV  3 amount  4 priority  5 expires ms (0 never)  6 class (0 promo, 1 paid)
--       7 effective ms (0 now)  8 the grant as given (JSON), to tell a repetition from a conflict
-- Reply {'granted', now, repeated, debt paid} | {'conflict', now} | {'overflow', now}
local known = call('HGET', GRANTS, OPERATION .. ':i')
if known == ARGV[8] then return {'granted', NOW, 1, 0} end
if known then return {'conflict', NOW} end
local amount, expires, effective = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[7])
open_account()
-- The largest integer a Lua number holds exactly; beyond it sums would lie.
if total.granted + amount > 9007199254740991 then return {'overflow', NOW} end
turn()

if expires == 0 then expires = NEVER end
if effective == 0 then effective = NOW end
local member = string.format('%03d|%015d|%s|%015d|%s', tonumber(ARGV[4]), expires, ARGV[6],
                             effective, OPERATION)
local grant = parse_grant(OPERATION, member, 0, 0, 0, 0)
grants[OPERATION] = grant
total.granted = total.granted + amount
record('funded', OPERATION, amount, 0, 0, {})
if expires <= NOW then lapse(grant, amount)
else
  grant.left = amount
  turn_at(expires)
  if effective <= NOW then total.available = total.available + amount
  else turn_at(effective) end
end
call('HSET', GRANTS, OPERATION .. ':i', ARGV[8], OPERATION .. ':m', member)
commit() -- the new grant must be in the index before debt can be paid from it
local paid = pay_debt()
commit()
return {'granted', NOW, 0, paid}

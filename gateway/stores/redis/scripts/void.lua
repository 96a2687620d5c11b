-- void: take back what is left of a grant. What running calls hold of it follows as they end.
-- KEYS  1-4 as common.lua  5 ids        ARGV  2 the grant's id  3 no more than that in all, or nothing
-- Reply {'voided', now, repeated, amount} | {'no_grant', now}
begin(0, 0)
IDS = KEYS[5]
local forgotten = nil
if call('HEXISTS', GRANTS, OPERATION .. ':i') == 0 then
  forgotten = known_by_id(OPERATION)
  if not forgotten or forgotten.kind == 'c' then return {'no_grant', NOW} end
end
open_account()
turn()

local grant = not forgotten and grant_of(OPERATION)
           or {left = 0, voided = forgotten.amount, void = forgotten.kind == 'v' and 1 or 0}
local part = ARGV[3] ~= '' and max(0, ARGV[3] - grant.voided)
local repeated, amount = grant.void == 1 or part == 0, min(grant.left, part or grant.left)
if not repeated then
  if amount > 0 then
    -- As take(): turn() counted what became effective before turn_ms.
    if total.turn_ms == 0 or grant.effective_ms < total.turn_ms then
      total.available = total.available - amount
    end
    grant.left = grant.left - amount
    void(grant, amount)
  end
  if not part and forgotten then remember(OPERATION, 'v', forgotten.given, forgotten.amount)
  elseif not part then grant.void, grant.touched = 1, true end
end
commit()
return {'voided', NOW, repeated and 1 or 0, repeated and 0 or amount}

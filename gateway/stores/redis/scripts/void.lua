-- void: take back what is left of a grant. What running calls hold of it follows as they end.
-- KEYS  as common.lua        ARGV  2 the grant's id
-- Reply {'voided', now, repeated, amount} | {'no_grant', now}
if call('HEXISTS', GRANTS, OPERATION .. ':i') == 0 then return {'no_grant', NOW} end
open_account()
turn()

local grant = grant_of(OPERATION)
local repeated, left = grant.void, grant.left
if not repeated then
  if left > 0 then
    if effective(grant) <= NOW then total.available = total.available - left end
    grant.left = 0
    void(grant, left)
  end
  call('HSET', GRANTS, OPERATION .. ':z', '1')
end
commit()
return {'voided', NOW, repeated and 1 or 0, repeated and 0 or left}

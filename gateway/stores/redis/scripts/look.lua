-- look: book what the hour brought an account, and put down when to look again.
-- KEYS  1-4 as common.lua  5 agenda
-- ARGV  3 when to look again, ms (0 never)  4 since when it is on its plan  5 all that was granted
--       6 its alerts  7.. grants whose coming end is to be told
-- 4 and 5 are what the caller saw: if they are so no more, the account is due at once.
-- Reply {'looked', now}
begin(0, 0)
open_account()
turn()
set_alerts(ARGV[6])
for i = 7, #ARGV do
  -- Used up since it was seen, and forgotten, it is not there.
  local grant = call('HEXISTS', GRANTS, ARGV[i] .. ':i') == 1 and grant_of(ARGV[i])
  if grant and grant.left > 0 and call('HSETNX', GRANTS, grant.id .. ':w', '1') == 1 then
    record('grant.expiring', grant.id, 0, 0, 0, {}, '{"left_ucr":' .. int(grant.left) .. ',"expires_ms":'
           .. int(grant.expires_ms) .. '}')
  end
end
commit()
local v = call('HMGET', ACCOUNT, 'since', 'created')
local since = v[1] and v[1] ~= '0' and v[1] or v[2] or '0'
local next_ms = tonumber(ARGV[3])
if since ~= ARGV[4] or total.granted ~= tonumber(ARGV[5]) then next_ms = NOW
elseif total.turn_ms > 0 and (next_ms == 0 or total.turn_ms < next_ms) then next_ms = total.turn_ms end
if next_ms > 0 then call('ZADD', KEYS[5], int(next_ms), ACCOUNT_ID)
else call('ZREM', KEYS[5], ACCOUNT_ID) end
return {'looked', NOW}

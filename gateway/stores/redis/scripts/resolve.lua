-- resolve: end a sum that was on its way. Stands alone.
-- KEYS  1 sums  2 what was confirmed, by day  3 dead letters
-- ARGV  1 identifier  2 'told', 'dead' or 'instead'
--       told: 3 '<customer> <minute>'  4 value    dead: 3 reason    instead: 3 identifier  4 message
-- Reply: 1, or 0 if it was ended already.
local call = redis.call
local message = call('HGET', KEYS[1], ARGV[1])
if not message then return 0 end
if ARGV[2] == 'told' then
  call('HINCRBY', KEYS[2], ARGV[3], ARGV[4])
  call('PEXPIRE', KEYS[2], '259200000')
elseif ARGV[2] == 'dead' then
  call('XADD', KEYS[3], '*', 'reason', ARGV[3], 'identifier', ARGV[1], 'message', message)
else
  call('HSET', KEYS[1], ARGV[3], ARGV[4])
end
call('HDEL', KEYS[1], ARGV[1])
return 1

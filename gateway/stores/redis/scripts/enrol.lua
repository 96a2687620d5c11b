-- enrol: a new webhook endpoint, unless its account has as many as it may. Stands alone, without
-- common.lua.
-- KEYS  1 the account's endpoints  2 whose each endpoint is
-- ARGV  1 endpoint  2 account  3 the endpoint as it is stored  4 how many there may be
-- Reply 1; 0: nothing changed.
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1

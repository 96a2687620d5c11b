-- trim: forget the outbox entries before one of them, some thousands at most; none that a consumer
-- group may still want. Stands alone, without common.lua.
-- KEYS  1 outbox        ARGV  1 the oldest id to keep
-- Reply: how many are gone. Only whole nodes of the stream go: '~', and thereby cheap.
if redis.call('EXISTS', KEYS[1]) == 0 or #redis.call('XINFO', 'GROUPS', KEYS[1]) > 0 then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1])

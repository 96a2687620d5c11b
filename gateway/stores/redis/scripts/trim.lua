-- trim: forget the outbox entries before one of them, some thousands at most; none that a consumer
-- group may still want: not yet read by it, or read and not acknowledged. Stands alone.
-- KEYS  1 outbox        ARGV  1 the oldest id to keep
-- Reply: how many are gone. Only whole nodes of the stream go: '~', and thereby cheap.
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return 0 end

-- Of two ids, the smaller.
local function earlier(a, b)
  local a_ms, a_number = string.match(a, '(%d+)%-?(%d*)')
  local b_ms, b_number = string.match(b, '(%d+)%-?(%d*)')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) and a or b end
  return (tonumber(a_number) or 0) < (tonumber(b_number) or 0) and a or b
end

local keep = ARGV[1]
for _, group in ipairs(call('XINFO', 'GROUPS', KEYS[1])) do
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  local wanted = facts['last-delivered-id']
  if facts.pending > 0 then wanted = call('XPENDING', KEYS[1], facts.name)[2] end
  keep = earlier(keep, wanted)
end
return call('XTRIM', KEYS[1], 'MINID', '~', keep)

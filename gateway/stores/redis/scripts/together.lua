-- together: several commands in one step, in their order. Stands alone.
-- KEYS  theirs, which come first in each and share a slot; PUBLISH has none
-- ARGV  of each: how many words it has, then these
-- Reply: theirs. Unlike a transaction's, it may be asked of another node of a cluster as a whole.
local replies, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
return replies

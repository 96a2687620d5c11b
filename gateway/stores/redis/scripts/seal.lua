-- seal: put sums of entries on their way, and have done with the entries, in one step: whoever
-- finds a sum later sends that, and nobody makes another one of the same entries. Stands alone.
-- KEYS  1 outbox or stream of repeats  2 sums
-- ARGV  1 group; empty for repeats  2 how many entries  3.. the entries, then identifier, message …
-- Reply: 1, or 0 and nothing changed: an entry is no longer anybody's.
local call = redis.call
local count = tonumber(ARGV[2])
for i = 3, 2 + count do
  local there
  if ARGV[1] == '' then there = call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
  else there = call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1) end
  if #there == 0 then return 0 end
end
for i = 3 + count, #ARGV, 2 do call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = 3, 2 + count do
  if ARGV[1] == '' then call('XDEL', KEYS[1], ARGV[i]) else call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
end
return 1

-- swap: several commands in one step, if the fields of a hash still are what whoever asks has read.
-- Stands alone.
-- KEYS  1 the hash  2.. the commands', which come first in each and share its slot; PUBLISH has none
-- ARGV  1 how many fields  2.. of each its name and value, '' for one that is not there; then the
--       commands, of each how many words it has and these
-- Reply: 1 if it is done, 0 if somebody else was faster.
local names, last = {}, 1 + 2 * tonumber(ARGV[1])
for at = 2, last, 2 do names[#names + 1] = ARGV[at] end
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  if (value or '') ~= ARGV[2 * i + 1] then return 0 end
end
local at = last + 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
return 1

-- lease: be the one who delivers, or go on being it; with a time of 0, cease to be. Stands alone.
-- KEYS  1 lane        ARGV  1 holder  2 ms
-- Reply: 1 if the lane is the holder's now.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

-- bury: put an entry that its sink did not take among the dead letters, with the reason; done with.
-- Stands alone.
-- KEYS  1 outbox or stream of repeats  2 dead letters
-- ARGV  1 entry  2 group; empty for a repeat  3 reason  4 id in the outbox
-- Reply: 1, or 0 if the entry is gone: then there is nothing to bury.
local call = redis.call
local found = call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if found then
  local fields, letter = found[2], {'reason', ARGV[3], 'entry', ARGV[4]}
  for i = 1, #fields, 2 do
    if fields[i] ~= 'entry' then
      letter[#letter + 1], letter[#letter + 2] = fields[i], fields[i + 1]
    end
  end
  call('XADD', KEYS[2], '*', unpack(letter))
end
if ARGV[2] == '' then call('XDEL', KEYS[1], ARGV[1]) else call('XACK', KEYS[1], ARGV[2], ARGV[1]) end
return found and 1 or 0

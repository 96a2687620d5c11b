-- calls: operations of calls' lives, one after the other, each by itself. Comes after all of them.
-- KEYS, ARGV: theirs, in turn, after
-- ARGV  1 of each operation, a byte each: its letter, how many keys it has, how many arguments
-- Reply: theirs, in turn; of one that failed its error, which is no other's.
local plan, replies, k, a, whole = ARGV[1], {}, 0, 1, nil

local function operate(letter, keys)
  local reply
  if letter == 114 then reply = plain_reserve(k, a, keys) -- r
  elseif letter == 115 then reply = plain_settle(k, a, keys) end -- s
  if reply then return reply end
  whole = whole or operations()
  whole.begin(k, a)
  return whole[letter](k, a, keys)
end

for at = 1, #plan, 3 do
  local letter, keys, arguments = plan:byte(at, at + 2)
  local done, reply = pcall(operate, letter, keys)
  if not done then
    local text = type(reply) == 'table' and reply.err or tostring(reply)
    -- A server that became a replica takes nobody's writes: said of the whole.
    if at == 1 and text:find('READONLY', 1, true) then error(reply) end
    reply = {err = text}
  end
  replies[#replies + 1] = reply
  k, a = k + keys, a + arguments
end
return replies

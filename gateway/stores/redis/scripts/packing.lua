-- Numbers as texts of doubles, little-endian: how scripts get and keep them. Comes first.
local DOUBLES = '<dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd'

-- The format of so many: a piece of a constant, which is cheaper than to build it.
local formats = {}
local function doubles(count)
  local known = formats[count]
  if known then return known end
  formats[count] = count < #DOUBLES and DOUBLES:sub(1, count + 1) or '<' .. string.rep('d', count)
  return formats[count]
end

local function packed(list) return struct.pack(doubles(#list), unpack(list)) end

-- All of a text, or those from a place on.
local function unpacked(text, from)
  from = from or 1
  local count = (#text + 1 - from) / 8
  local list = {struct.unpack(doubles(count), text, from)}
  list[count + 1] = nil -- where unpacking ended
  return list
end

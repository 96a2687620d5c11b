-- balance: one atomic snapshot of an account's money, lapsed grants booked first.
-- KEYS  1-4 as common.lua  5 ids
-- ARGV  3 1: what is available is added up from the grants anew; else 0
--       4 how many grants that are used up stay as they are, see forget.lua
--       5 the account's field of limits  6.. ids of some of its buckets
-- Reply {now, the totals in common.lua's order, grant fields, units taken in each of the buckets,
--        sums of the grants that left}
begin(0, 0)
IDS = KEYS[5]
open_account()
if ARGV[3] == '1' then total.turn_ms = 1 end
turn()
commit()
forget(tonumber(ARGV[4]))
local cells, units = unpacked(call('HGET', ACCOUNT, ARGV[5]) or ''), {}
for i = 6, #ARGV do
  local at = bucket_at({cells = cells, next = 1}, tonumber(ARGV[i]))
  units[i - 5] = at and cells[at + 2] + cells[at + 3] or 0
end
local stored = call('HGETALL', GRANTS)
if front then stored[#stored + 1], stored[#stored + 2] = front.id .. ':s', grant_text(front) end
return {NOW, {struct.unpack(TOTALS, books)}, stored, units, sums_of_gone()}

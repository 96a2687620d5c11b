-- correct: take credit back, as far as there is any; the rest becomes debt.
-- KEYS  1-4 as common.lua  5 ids
-- ARGV  2 the correction's id  3 amount  4 it may grow (1/0)  5 the correction as given (JSON), to
--       tell a repetition from a conflict
-- Reply {'corrected', now, repeated, taken, debt made} | {'conflict', now}
-- One that may grow is asked for with the sum so far: only what is more than before is taken, so
-- that sums may come in any order, and more than once.
begin(0, 0)
IDS = KEYS[5]
local amount, before = tonumber(ARGV[3]), 0
local known, given = known_by_id(OPERATION), digest(ARGV[5])
if known and known.kind ~= 'c' or call('HEXISTS', GRANTS, OPERATION .. ':i') == 1 then
  return {'conflict', NOW}
end
if known and ARGV[4] == '1' then
  before = known.amount
  if amount <= before then return {'corrected', NOW, 1, 0, 0} end
elseif known then
  if known.given ~= given then return {'conflict', NOW} end
  return {'corrected', NOW, 1, 0, 0}
end
open_account()
turn()

local more = amount - before
local covered = min(more, total.available)
local slices = take(covered, 'voided')
total.debt = total.debt + more - covered
total.corrected = total.corrected + more - covered
record('corrected', OPERATION, more, more - covered, 0, slices,
       '{"given":' .. ARGV[5] .. ',"grows":' .. (ARGV[4] == '1' and 'true' or 'false') .. '}')
remember(OPERATION, 'c', given, amount)
commit()
return {'corrected', NOW, 0, covered, more - covered}

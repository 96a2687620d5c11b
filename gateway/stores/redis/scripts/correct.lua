-- correct: take credit back, as far as there is any; the rest becomes debt.
-- KEYS  as common.lua
-- ARGV  2 the correction's id  3 amount  4 it may grow (1/0)  5 the correction as given (JSON: the
--       amount stands first), to tell a repetition from a conflict
-- Reply {'corrected', now, repeated, taken, debt made} | {'conflict', now}
-- One that may grow is asked for with the sum so far: only what is more than before is taken, so
-- that sums may come in any order, and more than once.
local amount, before = tonumber(ARGV[3]), 0
local known = call('HGET', GRANTS, OPERATION .. ':n')
if call('HEXISTS', GRANTS, OPERATION .. ':i') == 1 then return {'conflict', NOW} end
if known and ARGV[4] == '1' then
  before = tonumber(known:match('%d+'))
  if amount <= before then return {'corrected', NOW, 1, 0, 0} end
elseif known then
  if known ~= ARGV[5] then return {'conflict', NOW} end
  return {'corrected', NOW, 1, 0, 0}
end
open_account()
turn()

local more = amount - before
local covered = min(more, total.available)
local slices = take(covered, 'voided')
total.debt = total.debt + more - covered
count('corrected', more - covered)
record('corrected', OPERATION, more, more - covered, 0, slices)
call('HSET', GRANTS, OPERATION .. ':n', ARGV[5])
commit()
return {'corrected', NOW, 0, covered, more - covered}

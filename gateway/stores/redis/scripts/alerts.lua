-- Marks on the way to an empty account, watched by commit(): each is told once, and again only after
-- the balance has been above it. Comes between common.lua and the rest.
-- Account fields  alerts  as alerts.py writes them: name, then p and the percent left, or u and µcr
--                 of      what percentages are of; nothing is watched before credit came in
--                 told    names of the marks that are reached  gone  what was left and did not suffice
-- Totals          warn    the highest mark that is not reached  clear  the lowest one that is
-- What is left is an account's credit, held or not, less its debt: a hold alone crosses no mark.

-- Marks in µcr, and whether they are reached: {name, mark, told, percent}.
local function marks_of(spec, of, told, gone)
  local marks = {}
  for name, kind, number in string.gmatch(spec, '(%S+) ([pu])(%d+)') do
    local mark, all = tonumber(number), number == '0'
    if kind == 'p' then mark = math.floor(of * mark / 100) end
    if all then mark = max(mark, gone) end
    marks[#marks + 1] = {name = name, mark = mark, all = all,
                         told = string.find(told, ' ' .. name .. ' ', 1, true) and true or false}
  end
  return marks
end

local function keep_marks(marks, of, gone)
  local told, warn, clear = ' ', NOTHING, LARGEST
  for _, each in ipairs(marks) do
    if each.told then
      told, clear = told .. each.name .. ' ', min(clear, each.mark)
    else warn = max(warn, each.mark) end
  end
  total.warn, total.clear = warn, clear
  call('HSET', ACCOUNT, 'of', int(of), 'told', told, 'gone', int(gone))
end

local function tell(kind, each, left, of)
  record(kind, OPERATION, 0, 0, 0, {}, '{"alert":"' .. each.name .. '","left_ucr":' .. int(left)
         .. ',"of_ucr":' .. int(of) .. '}')
end

watch = function(left)
  local v = call('HMGET', ACCOUNT, 'alerts', 'of', 'told', 'gone')
  local spec, of, told, gone = v[1] or '', tonumber(v[2] or 0), v[3] or ' ', tonumber(v[4] or 0)
  if came_in then
    local highest = NOTHING
    for _, each in ipairs(marks_of(spec, of, told, gone)) do highest = max(highest, each.mark) end
    -- A trifle that lifts it above no mark is no new beginning.
    if came_in == 'period' or left > highest or left >= 2 * left_before then of, gone = max(0, left), 0 end
    came_in = nil
  end
  if of == 0 or spec == '' then return end
  if used_up then gone, used_up = max(gone, left), nil end
  local marks = marks_of(spec, of, told, gone)
  for _, each in ipairs(marks) do
    if not each.told and left <= each.mark then
      each.told = true
      tell(each.all and 'balance.depleted' or 'balance.low', each, left, of)
    elseif each.told and left > each.mark then
      each.told = false
      tell('balance.restored', each, left, of)
    end
  end
  keep_marks(marks, of, gone)
end

-- Other marks from now on: what is below one of them already is no crossing.
local function set_alerts(spec)
  local v = call('HMGET', ACCOUNT, 'alerts', 'of', 'gone')
  if (v[1] or '') == spec then return end
  call('HSET', ACCOUNT, 'alerts', spec)
  local left, gone = total.available + total.held - total.debt, tonumber(v[3] or 0)
  local of = max(tonumber(v[2] or 0), left, 0)
  if of == 0 then return end
  local marks = marks_of(spec, of, ' ', gone)
  for _, each in ipairs(marks) do each.told = left <= each.mark end
  keep_marks(marks, of, gone)
end

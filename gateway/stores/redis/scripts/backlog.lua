-- backlog: what a sink has not got yet, of one shard. Stands alone.
-- KEYS  1 outbox  2 stream of repeats  3 dead letters  4 sums        ARGV  1 group
-- Reply: entries waiting, ms of the oldest (0: none), repeats, dead letters, sums under way.
local call = redis.call
local waiting, oldest = 0, '0'
local exists = call('EXISTS', KEYS[1]) == 1
for _, group in ipairs(exists and call('XINFO', 'GROUPS', KEYS[1]) or {}) do
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  if facts.name == ARGV[1] then
    local after = '(' .. facts['last-delivered-id']
    local unread = tonumber(facts.lag)
    -- Servers before 7 do not count it, later ones not always.
    if not unread then unread = #call('XRANGE', KEYS[1], after, '+', 'COUNT', 1000) end
    waiting = facts.pending + unread
    if facts.pending > 0 then oldest = call('XPENDING', KEYS[1], facts.name)[2]
    elseif unread > 0 then
      local first = call('XRANGE', KEYS[1], after, '+', 'COUNT', 1)[1]
      oldest = first and first[1] or '0'
    end
  end
end
return {waiting, tonumber(string.match(oldest, '%d+')), call('XLEN', KEYS[2]), call('XLEN', KEYS[3]),
        call('HLEN', KEYS[4])}

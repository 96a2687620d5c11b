-- What is known for ever of grants that nothing happens to any more, and of corrections: that their
-- ids were used, and for what. Comes after alerts.lua.
-- A grant is used up when it has nothing left and no call holds any of it: what is not held cannot
-- come back. From then on it stands in the index with a score, the ms of that moment; those that burn
-- have 0. The newest of these stay as they were; the others leave for their sums, and an id each.
-- IDS  hash: `sums` of those that left (how many, granted, consumed, expired, voided); by the digest
--      of its id, each of them and each correction: what it is (g grant, v void grant, c correction),
--      the digest of what was given, the amount (voided of it, or the correction's)
local IDS
local KNOWN, SUMS = '<c1c12d', '<ddddd'
local AT_ONCE = 64

-- 96 bits: no two ids of one account are ever the same.
local function digest(text)
  local hex, parts = redis.sha1hex(text), {}
  for i = 1, 3 do parts[i] = tonumber(hex:sub(8 * i - 7, 8 * i), 16) end
  return struct.pack('>I4I4I4', unpack(parts))
end

local function known_by_id(id)
  local text = call('HGET', IDS, digest(id))
  if not text then return nil end
  local kind, given, amount = struct.unpack(KNOWN, text)
  return {kind = kind, given = given, amount = amount}
end

-- `given`: its digest.
local function remember(id, kind, given, amount)
  call('HSET', IDS, digest(id), struct.pack(KNOWN, kind, given, amount))
end

local function sums_of_gone()
  return {struct.unpack(SUMS, call('HGET', IDS, 'sums') or struct.pack(SUMS, 0, 0, 0, 0, 0))}
end

-- The oldest of those that are used up, some at a time, until only so many are left. What was decided
-- must have been written. No grant that is touched after it may be one of these.
local function forget(keep)
  local many = call('ZCOUNT', INDEX, '(0', '+inf') - keep
  if many <= 0 then return end
  local members = call('ZRANGEBYSCORE', INDEX, '(0', '+inf', 'LIMIT', '0', int(min(many, AT_ONCE)))
  local sums, gone = sums_of_gone(), {}
  for _, member in ipairs(members) do
    local id = member:sub(39)
    local texts = call('HMGET', GRANTS, id .. ':s', id .. ':i')
    local grant = stored_grant(texts[1], 1)
    grants[id] = nil
    local amount = grant.consumed + grant.expired + grant.voided
    for i, more in ipairs({1, amount, grant.consumed, grant.expired, grant.voided}) do
      sums[i] = sums[i] + more
    end
    remember(id, grant.void == 1 and 'v' or 'g', digest(texts[2]), grant.voided)
    for _, what in ipairs({':s', ':i', ':w'}) do gone[#gone + 1] = id .. what end
  end
  call('HSET', IDS, 'sums', struct.pack(SUMS, unpack(sums, 1, 5)))
  call('HDEL', GRANTS, unpack(gone))
  call('ZREM', INDEX, unpack(members))
end

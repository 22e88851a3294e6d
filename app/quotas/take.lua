-- Looks at limits and takes of all of them, or of none; or gives back, or only reads. See redis_ledger.py.
--
-- KEYS[1]: a hash, each gateway's id -> the steady time when it was last heard of; and `seq:` with the id -> the number
--          of the last batch of this gateway's that was taken.
-- KEYS[2...]: a hash per limit. Its fields: `b` with the number of a section of time -> what is used in it, `o` with the
--          same -> how much of that is of open requests, `r` with a gateway's id -> what it has reserved; of a period of
--          the calendar those of periods.py.
-- ARGV[1]: JSON. steady, calendar: the two times. me: the gateway's id. check: whether limits are held. seq: the number
--          of the batch, or null. jumps: how many jumps of the clock were believed. meters: for each limit
--            most: beyond what is denied, or null       ttl: seconds for which it is of use
--            section, sections: of a sliding window     now, jump_began, jump_ended: {began, ends} of periods
--            add: counts as used now, or in section at  open: changes what is open in section at
--            reserve: changes what is reserved          is_spent: deny if all is used
-- Returns whether it was denied ("1"), and for each limit: used, reserved, open, up to how much was reported, whether this
-- one denied, when the period began and ends, and sections with what is used in them.

local q = cjson.decode(ARGV[1])
local nothing = cjson.null
local TRIFLE = 1e-9
local SILENT_FOR, FORGOTTEN_AFTER = 15, 600

local function text(number) return string.format('%.17g', number) end
local function given(value) return value ~= nil and value ~= nothing end

if given(q.seq) then
  local last = tonumber(redis.call('HGET', KEYS[1], 'seq:' .. q.me) or '0')
  if last >= q.seq then return {'0'} end
  redis.call('HSET', KEYS[1], 'seq:' .. q.me, q.seq)
end

local heard = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do heard[flat[i]] = tonumber(flat[i + 1]) end
heard[q.me] = q.steady

local function read(key)
  local row, fields = {}, redis.call('HGETALL', key)
  for i = 1, #fields, 2 do row[fields[i]] = tonumber(fields[i + 1]) end
  return row
end

local function put(key, row, field, value)
  row[field] = value
  if value == 0 then redis.call('HDEL', key, field) else redis.call('HSET', key, field, text(value)) end
end

local function reserved(key, row)
  local sum = 0
  for field, amount in pairs(row) do
    if string.sub(field, 1, 1) == 'r' then
      local silent_for = q.steady - (heard[string.sub(field, 2)] or -math.huge)
      if silent_for <= SILENT_FOR then sum = sum + amount
      elseif silent_for > FORGOTTEN_AFTER then redis.call('HDEL', key, field) end
    end
  end
  return sum
end

-- Sliding windows: what is used, and how much of it is open; what has left the window is forgotten.
local function sections(key, row, m)
  local used, open = 0, 0
  for field, amount in pairs(row) do
    local kind = string.sub(field, 1, 1)
    if kind == 'b' or kind == 'o' then
      if tonumber(string.sub(field, 2)) <= m.section - m.sections then redis.call('HDEL', key, field); row[field] = nil
      elseif kind == 'b' then used = used + amount
      else open = open + amount end
    end
  end
  if m.section - (row.notified_in or 0) >= m.sections and (row.notified or 0) > used then
    put(key, row, 'notified', used)
  end
  return used, open
end

-- Periods of the calendar: periods.py in Lua.
local PERIOD = {'began', 'ends', 'latest', 'before_began', 'before_used', 'used', 'notified', 'jumps'}

local function after_time(p, now, bounds)
  if now < p.ends then return p end
  return {began = bounds[1], ends = bounds[2], latest = math.max(p.latest, bounds[1]), before_began = 0,
          before_used = 0, used = 0, notified = 0, jumps = p.jumps}
end

local function after_jump(p, bounds)
  if bounds[1] == p.began then return p end
  if bounds[1] > p.latest then
    return {began = bounds[1], ends = bounds[2], latest = bounds[1], before_began = p.began, before_used = p.used,
            used = 0, notified = 0, jumps = p.jumps}
  end
  if bounds[1] == p.before_began then p.used = p.used + p.before_used end
  p.began, p.ends, p.before_began, p.before_used = bounds[1], bounds[2], 0, 0
  return p
end

local function period(key, row, m)
  local p = {}
  for _, name in ipairs(PERIOD) do p[name] = row[name] or 0 end
  local began, jumps = p.began, p.jumps
  if p.jumps < q.jumps then
    if p.ends ~= 0 then
      p = after_time(p, q.jump_began, m.jump_began)
      p = after_jump(p, m.jump_ended)
    end
    p.jumps = q.jumps
  end
  p = after_time(p, q.calendar, m.now)
  if p.began ~= began or p.jumps ~= jumps then
    for _, name in ipairs(PERIOD) do put(key, row, name, p[name]) end
  end
  return p.used
end

local rows, denied = {}, false
for i, m in ipairs(q.meters) do
  local key = KEYS[i + 1]
  local row = read(key)
  local used, open = 0, 0
  if given(m.section) then used, open = sections(key, row, m)
  elseif given(m.now) then used = period(key, row, m) end
  local entry = {row = row, used = used, open = open, reserved = reserved(key, row), denies = false}
  if q.check and given(m.most) then
    if m.is_spent then entry.denies = used + TRIFLE > m.most
    else entry.denies = used + entry.reserved + m.add + m.reserve > m.most + TRIFLE end
  end
  denied = denied or entry.denies
  rows[i] = entry
end

if not denied then
  for i, m in ipairs(q.meters) do
    local key, entry = KEYS[i + 1], rows[i]
    local row = entry.row
    if given(m.section) then
      local at = given(m.at) and m.at or m.section
      if at > m.section - m.sections then
        local b, o = 'b' .. text(at), 'o' .. text(at)
        if m.add ~= 0 then put(key, row, b, (row[b] or 0) + m.add) end
        if m.open ~= 0 then put(key, row, o, (row[o] or 0) + m.open) end
        entry.used, entry.open = entry.used + m.add, entry.open + m.open
      end
    elseif given(m.now) and m.add ~= 0 then
      put(key, row, 'used', entry.used + m.add)
      entry.used = entry.used + m.add
    end
    if m.reserve ~= 0 then
      local mine = 'r' .. q.me
      local left = (row[mine] or 0) + m.reserve
      if math.abs(left) < TRIFLE then left = 0 end
      put(key, row, mine, left)
      entry.reserved = entry.reserved + m.reserve
    end
    entry.notified = row.notified or 0
    if m.reports and entry.used + TRIFLE > entry.notified and m.add ~= 0 then
      put(key, row, 'notified', entry.used + TRIFLE)
      if given(m.section) then put(key, row, 'notified_in', m.section) end
    end
    if m.add ~= 0 or m.open ~= 0 or m.reserve ~= 0 then redis.call('EXPIRE', key, m.ttl) end
  end
end

local out = {denied and '1' or '0'}
for i, entry in ipairs(rows) do
  local found = {}
  if given(q.meters[i].section) and (denied or q.detail) then
    for field, amount in pairs(entry.row) do
      if string.sub(field, 1, 1) == 'b' then
        found[#found + 1] = string.sub(field, 2)
        found[#found + 1] = text(amount)
      end
    end
  end
  out[i + 1] = {text(entry.used), text(entry.reserved), text(entry.open), text(entry.notified or 0),
                entry.denies and '1' or '0', text(entry.row.began or 0), text(entry.row.ends or 0), found}
end
return out

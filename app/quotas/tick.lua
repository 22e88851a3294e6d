-- Says that a gateway lives, and what time it is. The times are this server's, but a jump of its clock is taken out: see
-- times.py. A gateway sees one by an even clock of its own; the first that sees it corrects the time for all of them.
--
-- KEYS[1]: the hash of gateways of take.lua. KEYS[2]: a hash with `steady` and `calendar`, by how much these times are
--          ahead of the server's clock; `epoch`, how many jumps were seen; `since`, the steady time of the last one; and
--          the last jump that was believed: `jumps`, `began`, `ended`.
-- ARGV: the gateway's id; the server's time at its last tick, or -1; the seconds since then by its even clock; the epoch
--       of its last tick; seconds of a small correction; seconds after which a jump is believed; the id of a gateway that
--       has left, or nothing.
-- Returns the server's time, epoch, steady, calendar, jumps, began, ended, and whether the hash was there.

local me, last, elapsed, epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local small, believed_after = tonumber(ARGV[5]), tonumber(ARGV[6])
local FORGOTTEN_AFTER = 600

local function text(number) return string.format('%.17g', number) end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local c, existed = {epoch = 0, steady = 0, calendar = 0, since = 0, jumps = 0, began = 0, ended = 0}, '0'
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do c[flat[i]] = tonumber(flat[i + 1]); existed = '1' end

if last >= 0 and existed == '1' and epoch == c.epoch then
  local moved = now - last - elapsed
  if math.abs(moved) > small then
    c.epoch, c.steady, c.calendar = c.epoch + 1, c.steady - moved, c.calendar - moved
    c.since = now + c.steady
  end
end
if c.calendar ~= 0 then
  if math.abs(c.calendar) <= small then
    c.calendar = 0
  elseif now + c.steady - c.since >= believed_after then
    c.jumps, c.began, c.ended, c.calendar = c.jumps + 1, now + c.calendar, now, 0
  end
end
for name, value in pairs(c) do redis.call('HSET', KEYS[2], name, text(value)) end

local steady = now + c.steady
local heard = redis.call('HGETALL', KEYS[1])
for i = 1, #heard, 2 do
  if string.sub(heard[i], 1, 4) ~= 'seq:' and steady - tonumber(heard[i + 1]) > FORGOTTEN_AFTER then
    redis.call('HDEL', KEYS[1], heard[i], 'seq:' .. heard[i])
  end
end
redis.call('HSET', KEYS[1], me, text(steady))
-- Silent for long enough to be no gateway any more, and still known, so that a batch of it is not taken twice.
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], ARGV[7], text(steady - FORGOTTEN_AFTER / 2)) end
return {text(now), text(c.epoch), text(c.steady), text(c.calendar), text(c.jumps), text(c.began), text(c.ended), existed}

-- Give a permit back.
-- ARGV: operation, calls a second as told, permit, and when it could have been used if it was not; else '',
--   seconds for which it rests longer than usual
local operation, permit, unused = ARGV[1], ARGV[3], ARGV[4]
local at = now()
local _, rest = permits(operation, ARGV[2], at)
redis.call('ZREM', out(operation), permit)
-- Not before the rest of the one that it took the place of is over.
local free = unused ~= '' and tonumber(unused) or at + rest + tonumber(ARGV[5])
if free > at then redis.call('ZADD', cooling(operation), text(free), permit) end

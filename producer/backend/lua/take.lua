-- Take a permit to call an operation of AWS.
-- ARGV: operation, calls a second as told, seconds that the caller is willing to wait, seconds after its turn
--   at which it counts as dead
-- Returns: the permit, seconds until it may be used, and when that is; or '', seconds until it may be
--   worth asking again, and ''
local operation, patience, lasts = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
drop_rested(operation, at)
local number, rest = permits(operation, ARGV[2], at)
local usable_at, instead_of = math.max(at, paused_until(operation)), nil
local missing = redis.call('ZCARD', out(operation)) + redis.call('ZCARD', cooling(operation)) + 1 - number
if missing > 0 then
  -- The permit that is free by the time that so many are is the caller's from now on.
  local resting = redis.call('ZRANGE', cooling(operation), missing - 1, missing - 1, 'WITHSCORES')
  if #resting == 0 then return {'', text(rest), ''} end
  instead_of, usable_at = resting[1], math.max(usable_at, tonumber(resting[2]))
end
if usable_at - at > patience then return {'', text(usable_at - at), ''} end
if instead_of then redis.call('ZREM', cooling(operation), instead_of) end
local permit = redis.call('INCR', P .. 'permits:number')
redis.call('ZADD', out(operation), text(usable_at + lasts), permit)
return {tostring(permit), text(usable_at - at), text(usable_at)}

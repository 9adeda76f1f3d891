-- AWS has refused a call, for there were too many: yield to others who use the account.
-- ARGV: operation, calls a second as told, seconds for which nobody calls it
-- Returns: 1 if the fleet begins to yield, else 0
local operation, seconds = ARGV[1], tonumber(ARGV[3])
local at = now()
local key = P .. 'share:' .. operation
redis.call('HINCRBY', P .. 'refused', operation, 1)
-- Those that are refused together count as one.
if at - tonumber(redis.call('HGET', key, 'refused_at') or '0') > 1 then
  local least = 1 / math.max(1, math.floor(quota(operation, ARGV[2])))
  local half = math.max(least, share(operation, at) / 2)
  redis.call('HSET', key, 'share', text(half), 'at', text(at + seconds), 'refused_at', text(at))
end
pause(operation, seconds, at)
return yielding(operation)

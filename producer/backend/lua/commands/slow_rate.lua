--- AWS refused a call, for there were too many: halve the backoff factor of the operation.
--- @include capacity
--- @include clock
--- @include limiter
--- @arg operation string: what was called
--- @arg limit string: calls a second
--- @arg seconds number: for which nobody calls it
--- @returns 1 if the fleet was not slowed before, else 0
local key = KEY.backoff .. args.operation
local at = now()
redis.call('HINCRBY', KEY.refusals, args.operation, 1)
-- Those that are refused together count as one.
if at - tonumber(redis.call('HGET', key, 'refused_at') or '0') > 1 then
  local least = 1 / math.max(1, math.floor(quota(args.operation, args.limit)))
  local half = math.max(least, backoff_factor(args.operation, at) / 2)
  redis.call('HSET', key, 'factor', text(half), 'at', text(at + args.seconds), 'refused_at', text(at))
end
pause(args.operation, args.seconds, at)
return slow(args.operation)

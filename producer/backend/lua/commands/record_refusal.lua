--- AWS refused a call, for there were too many, or too many jobs: the fleet keeps to less for a while.
--- @include capacity
--- @include clock
--- @include limiter
--- @arg what string: the operation of which there were too many calls, or `slots`
--- @arg operation string: what was called
--- @arg limit string: of the calls a second, or of the slots
--- @arg kept number: the part that the fleet keeps to of what it used
--- @arg seconds number: for which nobody calls the operation
--- @returns 1 if the fleet was not slowed before, else 0
local what, key = args.what, KEY.backoff .. args.what
local at = now()
redis.call('HINCRBY', KEY.refusals, what, 1)
-- Those that are refused together count as one.
if at - tonumber(redis.call('HGET', key, 'refused_at') or '0') > 1 then
  local used, all = usable(what, args.limit, at)
  -- Of the slots, others may have those that ours do not fill.
  if what == 'slots' then used = math.min(slots(args.limit, at), redis.call('ZCARD', KEY.running)) end
  local factor = math.max(1, args.kept * used) / all
  redis.call('HSET', key, 'factor', decimal(factor), 'at', decimal(at + args.seconds), 'refused_at', decimal(at))
end
pause(args.operation, args.seconds, at)
return slow(what)

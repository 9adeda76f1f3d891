--- AWS refused to start a job, for too many run: use fewer slots for a while.
--- @include capacity
--- @include clock
--- @include limiter
--- @arg limit string: slots of the account
--- @arg seconds number: for which nobody starts any
--- @returns 1 if the fleet was not slowed before, else 0
-- So much of the jobs that run now goes on when they end; other software has the rest.
local KEPT = 0.75
local key = KEY.backoff .. 'slots'
local at = now()
redis.call('HINCRBY', KEY.refusals, 'slots', 1)
if at - tonumber(redis.call('HGET', key, 'refused_at') or '0') > 1 then
  local running = math.min(slots(args.limit, at), redis.call('ZCARD', KEY.running))
  local number = math.max(1, math.floor(KEPT * running))
  redis.call('HSET', key, 'number', number, 'at', text(at + args.seconds), 'refused_at', text(at))
end
pause('StartTranscriptionJob', args.seconds, at)
return slow('slots')

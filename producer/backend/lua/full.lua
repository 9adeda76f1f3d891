-- AWS has refused to start a job, for too many run: yield to others who use the account.
-- ARGV: slots of the account as told, seconds for which nobody starts any
-- Returns: 1 if the fleet begins to yield, else 0
-- Of the jobs that run now so many go on when they end; the others' have the rest.
local KEPT = 0.75
local seconds = tonumber(ARGV[2])
local at = now()
local key = P .. 'share:slots'
redis.call('HINCRBY', P .. 'refused', 'slots', 1)
if at - tonumber(redis.call('HGET', key, 'refused_at') or '0') > 1 then
  local fewer = math.max(1, math.floor(KEPT * math.min(slots(ARGV[1], at), redis.call('ZCARD', P .. 'running'))))
  redis.call('HSET', key, 'share', fewer, 'at', text(at + seconds), 'refused_at', text(at))
end
pause('StartTranscriptionJob', seconds, at)
return yielding('slots')

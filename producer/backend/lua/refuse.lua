-- Record a request that can never be carried out, under the name it carried, if that is free.
-- ARGV: id, request, retention, code, message, stage
local id, key = ARGV[1], job_key(ARGV[1])
if redis.call('EXISTS', key) == 1 then return 0 end
redis.call('HSET', key, 'request', ARGV[2], 'attempt', '1', 'priority', '5',
  'error.code', ARGV[4], 'error.message', ARGV[5], 'error.stage', ARGV[6])
local at = now()
redis.call('HSET', key, 'at.QUEUED', text(at))
set_state(id, nil, 'FAILED', at, tonumber(ARGV[3]))
return 1

-- Record a job and put it in line, in one step.
-- ARGV: id, request, deadline in seconds or '', priority, lease, room in the queue
-- Returns: 'created', or 'same' or 'different' if the id is taken
local id, request, deadline, priority = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, room = tonumber(ARGV[5]), tonumber(ARGV[6])
local key = job_key(id)
local known = redis.call('HMGET', key, 'request', 'error.code', 'state')
if known[1] and known[2] ~= 'InvalidRequest' then
  return known[1] == request and 'same' or 'different'
end
local at = now()
-- The name of a request that was refused is free for the corrected one.
if known[1] then
  redis.call('ZREM', index(known[3]), id)
  redis.call('DEL', key)
end
redis.call('HSET', key, 'request', request, 'attempt', '1', 'priority', priority)
set_deadline(id, at, deadline)
set_state(id, nil, 'QUEUED', at)
-- A backlog waits as entries, not as messages: so priority still counts and Celery stays small.
if room > 0 and redis.call('EXISTS', line('QUEUED')) == 0
    and redis.call('LLEN', 'transcription.upload') < room then
  dispatch('upload', id, at, lease)
else
  enter_line('QUEUED', id, at)
end
return 'created'

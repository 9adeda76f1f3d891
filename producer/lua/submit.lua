-- Record a job and put it in line, in one step.
-- ARGV: id, request, deadline in seconds or '', priority, lease, room in the queue, audio, tenant or ''
-- Returns: 'created', or 'same' or 'different' if the id is taken
local id, request, deadline, priority = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, room = tonumber(ARGV[5]), tonumber(ARGV[6])
local key = job_key(id)
local at = now()
local known = redis.call('HMGET', key, 'request', 'error.code', 'state', 'rebuilt')

-- Of a record that was rebuilt after a loss the owner knows better what was asked for. Nothing is
-- started again, but a result is written again, as it is asked for now. The field says for which
-- audio it is, as far as that is known.
local function corrected()
  if known[4] ~= '*' and known[4] ~= ARGV[7] then return false end
  redis.call('HSET', key, 'request', request, 'priority', priority, 'tenant', ARGV[8])
  local cleaning = redis.call('ZSCORE', schedule('cleanup'), id)
    or redis.call('HEXISTS', key, 'cleaned_at') == 1
  if known[3] == 'COMPLETED' and not cleaning then
    redis.call('PERSIST', key)
    set_state(id, 'COMPLETED', 'COLLECTING', at)
    dispatch('collect', id, at, lease)
  elseif known[3] == 'COLLECTING' then
    -- Whoever collects it now does so for the earlier request.
    dispatch('collect', id, at, lease)
  end
  return true
end

if known[1] and known[2] ~= 'InvalidRequest' then
  local same = known[1] == request or (known[4] and corrected())
  if same then redis.call('HDEL', key, 'rebuilt') end
  return same and 'same' or 'different'
end
-- The name of a request that was refused is free for the corrected one.
if known[1] then
  redis.call('ZREM', index(known[3]), id)
  redis.call('DEL', key)
end
redis.call('HSET', key, 'request', request, 'attempt', '1', 'priority', priority)
if ARGV[8] ~= '' then redis.call('HSET', key, 'tenant', ARGV[8]) end
set_deadline(id, at, deadline)
set_state(id, nil, 'QUEUED', at)
-- A backlog waits as entries, not as messages: so priority still counts and Celery stays small.
if room > 0 and not is_line('QUEUED')
    and redis.call('LLEN', 'transcription.upload') < room then
  dispatch('upload', id, at, lease)
else
  enter_line('QUEUED', id, at)
end
return 'created'

-- A new attempt of a job that ended badly, in the same record.
-- ARGV: id, deadline in seconds or ''
-- Returns: 'ok', '' if there is no such job, 'busy' while the last attempt is still being
--   stopped or cleaned, else the state that forbids it
local id, deadline = ARGV[1], ARGV[2]
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if not state then return '' end
if state ~= 'FAILED' and state ~= 'CANCELLED' then return state end
-- Of a refused request only its name is known.
if redis.call('HGET', key, 'error.code') == 'InvalidRequest' then return 'refused' end
if redis.call('ZSCORE', P .. 'running', id) or redis.call('ZSCORE', schedule('start'), id)
    or redis.call('ZSCORE', schedule('cleanup'), id) then
  return 'busy'
end
local at = now()
redis.call('PERSIST', key)
redis.call('HINCRBY', key, 'attempt', 1)
redis.call('HDEL', key, 'error.code', 'error.message', 'error.stage', 'deadline_at', 'media_uri',
  'result_uri', 'cleaned_at', 'cleanup_error', 'adopted')
set_deadline(id, at, deadline)
set_state(id, state, 'QUEUED', at)
enter_line('QUEUED', id, at)
return 'ok'

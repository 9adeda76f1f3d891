-- A new attempt of a job that ended badly, in the same record; or, where Transcribe has done its work
-- and only fetching the result failed, another try of that, which costs nothing.
-- ARGV: id, deadline in seconds or ''
-- Returns: 'ok', '' if there is no such job, 'busy' while the last attempt is still being
--   stopped or cleaned, else the state that forbids it
local NO_RESULT = {NoResult = true, ResultMissing = true, ResultBroken = true}
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
local known = redis.call('HMGET', key, 'error.stage', 'error.code', 'result_uri', 'cleaned_at')
local is_paid_for = known[1] == 'collect' and not NO_RESULT[known[2]] and known[3] and not known[4]
redis.call('PERSIST', key)
redis.call('HDEL', key, 'error.code', 'error.message', 'error.stage', 'deadline_at')
set_deadline(id, at, deadline)
if is_paid_for then
  set_state(id, state, 'COLLECTING', at)
  wait_until('collect', id, at)
  return 'ok'
end
redis.call('HINCRBY', key, 'attempt', 1)
redis.call('HDEL', key, 'media_uri', 'result_uri', 'cleaned_at', 'cleanup_error', 'adopted')
set_state(id, state, 'QUEUED', at)
enter_line('QUEUED', id, at)
return 'ok'

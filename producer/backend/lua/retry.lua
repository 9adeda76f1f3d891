-- Fetch what Transcribe made of a job that ended badly, for that was paid for; or, where it certainly made
-- nothing, start a new attempt in the same record. Who fetches starts one if nothing is there.
-- ARGV: id, deadline in seconds or ''
-- Returns: 'ok', '' if there is no such job, 'busy' while the last attempt is still being
--   stopped or cleaned, else the state that forbids it
-- Transcribe could not do it; or it has the name, but for somebody else.
local NOTHING_MADE = {TranscriptionFailed = true, NameTaken = true}
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
local known = redis.call('HMGET', key, 'error.code', 'result_uri', 'at.STARTING', 'at.QUEUED')
-- A start that failed may have been carried out all the same.
local was_started = (known[2] or '') ~= '' or tonumber(known[3] or '0') > tonumber(known[4])
local is_made = was_started and not NOTHING_MADE[known[1]]
redis.call('PERSIST', key)
redis.call('HDEL', key, 'error.code', 'error.message', 'error.stage', 'deadline_at')
set_deadline(id, at, deadline)
if is_made then
  redis.call('HDEL', key, 'cleaned_at', 'cleanup_error')
  set_state(id, state, 'COLLECTING', at)
  wait_until('collect', id, at)
else
  start_anew(id, state, at)
end
return 'ok'

-- End a job from outside its pipeline: cancelled by its owner, or past its deadline.
-- ARGV: id, state to go to, retention, lease, fields of the record...
-- Returns: the state it was in, or '' if there is no such job
local id, to, retention, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HGET', job_key(id), 'state')
if not state then return '' end
if TERMINAL[state] then return state end
local at = now()
leave_line(id)
forget('upload', id)
forget('collect', id)
set_fields(id, 5)
set_state(id, state, to, at, retention)
-- Of one that was never taken up there may be an earlier life, which Redis has forgotten.
if state == 'QUEUED' and to == 'CANCELLED' then wait_until('cleanup', id, at - AHEAD) end
-- STARTING and TRANSCRIBING keep their entry, and so the slot that AWS still counts, until the
-- start task and the poll have seen how it ends there; then they hand it to cleanup.
if state == 'UPLOADING' then
  -- not before the uploader has noticed that it lost its lease
  wait_until('cleanup', id, at + lease)
elseif state == 'READY' or state == 'COLLECTING' then
  wait_until('cleanup', id, was_at_transcribe(id) and at or at - AHEAD)
end
return state

--- End a job from outside its pipeline: cancelled by its owner, or past its deadline.
--- @include clock
--- @include fair_queue
--- @include leases
--- @include states
--- @arg id string: the job
--- @arg to string: the state to enter
--- @arg retention number: seconds that an ended job is kept
--- @arg lease number: seconds
--- @arg fields object: fields of the record
--- @returns the state it was in, or '' if there is no such job
-- Cleanups that call nobody but S3 go, by so many seconds, before those that wait for Transcribe.
local AHEAD = 1e8
local id, to = args.id, args.to
local state = redis.call('HGET', KEY.job .. id, 'state')
if not state then return '' end
if TERMINAL[state] then return state end
check_move(id, state, to)
local at = now()
dequeue(id)
remove('upload', id)
remove('collect', id)
set_fields(id, args.fields)
move(id, state, to, at, args.retention)
-- A job of the same name, which Redis has forgotten, may have left something.
if state == 'QUEUED' and to == 'CANCELLED' then wait_until('cleanup', id, at - AHEAD) end
-- STARTING and TRANSCRIBING keep their entry, and so the slot that AWS still counts, until start and
-- poll have seen how the job ends there; then they pass it to cleanup.
if state == 'UPLOADING' then
  -- Not before the uploader has noticed that it lost its lease.
  wait_until('cleanup', id, at + args.lease)
elseif state == 'READY' or state == 'COLLECTING' then
  wait_until('cleanup', id, was_at_transcribe(id) and at or at - AHEAD)
end
return state

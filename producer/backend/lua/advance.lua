-- Move a job to its next state and hand it on, if the caller still holds the entry.
-- ARGV: stage and member that the caller holds, its generation, job id, states it may come from
--   (comma-separated), state to go to, what follows, lease, retention, fields of the record...
-- Returns: 1 if moved, 0 if the caller lost its hold or the job has moved past it
local stage, member, generation, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local from, to, follows = ',' .. ARGV[5] .. ',', ARGV[6], ARGV[7]
local lease, retention = tonumber(ARGV[8]), tonumber(ARGV[9])
if redis.call('HGET', holder(stage), member) ~= generation then return 0 end
local state = redis.call('HGET', job_key(id), 'state')
if not state or not string.find(from, ',' .. state .. ',', 1, true) then return 0 end
local at = now()
if member == id then forget(stage, id) end
-- Only the poll moves a job that Transcribe has, and only once it has ended there.
if stage == 'poll' then
  if to == 'COLLECTING' then remember_time(id, at) end
  redis.call('ZREM', P .. 'running', id)
end
set_fields(id, 10)
set_state(id, state, to, at, retention)
if follows == 'ready' then
  enter_line('READY', id, at)
elseif follows == 'ready-first' then
  redis.call('ZADD', FIRST, text(at), id)
elseif follows == 'running' then
  enter_running(id, at)
elseif follows == 'cleanup' then
  wait_until('cleanup', id, at + CLEANUP_AFTER)
elseif follows ~= '' then
  dispatch(follows, id, at, lease)
end
return 1

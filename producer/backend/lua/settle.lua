-- A job that was stopped while AWS had it: keep its slot while it runs there, then clean up.
-- ARGV: stage and member that the caller holds, its generation, job id, 'running' or 'ended', fields
--   of the record...
local stage, member, generation, id, what = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', holder(stage), member) ~= generation then return 0 end
if member == id then forget(stage, id) end
set_fields(id, 6)
local at = now()
if what == 'running' then
  enter_running(id, at)
else
  redis.call('ZREM', P .. 'running', id)
  -- A result comes up to two seconds after Transcribe says that the job has ended.
  wait_until('cleanup', id, at + CLEANUP_AFTER + 1)
end
return 1

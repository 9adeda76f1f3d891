-- A job that was stopped while AWS had it: keep its slot while it runs there, then clean up.
-- ARGV: stage and member that the caller holds, its generation, job id, 'running' or 'ended'
local stage, member, generation, id, what = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', holder(stage), member) ~= generation then return 0 end
if member == id then forget(stage, id) end
local at = now()
if what == 'running' then
  redis.call('ZADD', P .. 'running', text(at), id)
  redis.call('ZADD', schedule('poll'), 'NX', text(at), '*')
else
  redis.call('ZREM', P .. 'running', id)
  if redis.call('HGET', job_key(id), 'state') == 'CANCELLED' then
    wait_until('cleanup', id, at)
  end
end
return 1

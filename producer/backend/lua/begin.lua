-- Take up an entry for which a message arrived.
-- ARGV: stage, id, lease
-- Returns: nothing if there is nothing to do, else generation, lapses, the record's fields (of what
--   is no job's, none), the time
local stage, id, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local due = redis.call('ZSCORE', schedule(stage), id)
if not due then return nil end
local at = now()
if redis.call('HGET', holder(stage), id) ~= '0' and tonumber(due) > at then return nil end
local of_job = id ~= FLEET and stage ~= 'submit'
if of_job and redis.call('EXISTS', job_key(id)) == 0 then
  -- Its record has expired or was deleted: there is nothing left to do.
  forget(stage, id)
  return nil
end
local generation = next_generation(at)
redis.call('ZADD', schedule(stage), text(at + lease), id)
redis.call('HSET', holder(stage), id, generation)
if stage == 'upload' and redis.call('HGET', job_key(id), 'state') == 'QUEUED' then
  set_state(id, 'QUEUED', 'UPLOADING', at)
end
return {generation, tonumber(redis.call('HGET', lapses(stage), id) or '0'),
  of_job and redis.call('HGETALL', job_key(id)) or {}, text(at)}

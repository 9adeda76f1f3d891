-- Note what was found of a job that Redis has forgotten, and record it if nobody has meanwhile.
-- ARGV: generation of the recovery, id, what was found as JSON, state ('' to record nothing, 'known'
--   to note a job just because it has a record), what follows, retention, deadline in seconds, S3 key
--   that the request names or '', seconds for which that is remembered, fields of the record...
-- Returns: 'noted', 'known' if the job has a record, 'lost' if the caller lost its hold
local id, found, state, follows = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local retention, deadline = tonumber(ARGV[6]), ARGV[7]
local key = job_key(id)
if redis.call('HGET', holder('recover'), FLEET) ~= ARGV[1] then return 'lost' end
if state ~= 'known' and redis.call('EXISTS', key) == 1 then return 'known' end
redis.call('HSET', P .. 'recovery:jobs', id, found)
if state == '' or state == 'known' then return 'noted' end
local at = now()
redis.call('HSET', key, 'attempt', '1', 'at.QUEUED', text(at))
set_fields(id, 10)
set_deadline(id, at, deadline)
set_state(id, nil, state, at, retention)
if ARGV[8] ~= '' then redis.call('SET', P .. 'key:' .. ARGV[8], id, 'NX', 'EX', ARGV[9]) end
if follows == 'running' then
  enter_running(id, at)
elseif follows ~= '' then
  -- Thousands may come back at once: they wait as entries, not as messages.
  wait_until(follows, id, at)
end
return 'noted'

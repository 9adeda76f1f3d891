--- @include states
-- A further attempt of a job, in the same record.

local function start_attempt(id, from, at)
  local key = KEY.job .. id
  redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HDEL', key, 'media_uri', 'result_uri', 'started_at', 'cleaned_at', 'cleanup_error',
    'adopted', 'keeps_write_check', 'fingerprint', 'waits_for', 'reused_from', 'started_earlier')
  move(id, from, 'QUEUED', at, {})
end

-- Say that a job was cleaned (or why not), and be done with the cleanup entry.
-- ARGV: id, generation, reason or ''
local id, generation, reason = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', holder('cleanup'), id) ~= generation then return 0 end
forget('cleanup', id)
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if not state then return 0 end
if reason == '' then
  redis.call('HSET', key, 'cleaned_at', text(now()))
else
  redis.call('HSET', key, 'cleanup_error', reason)
end
redis.call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'job', id, 'state', state,
  'attempt', redis.call('HGET', key, 'attempt') or '1')
return 1

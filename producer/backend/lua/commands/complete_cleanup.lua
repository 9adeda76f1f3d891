--- Record that a job was cleaned, or why not, and complete the cleanup entry.
--- @include clock
--- @include leases
--- @include states
--- @arg id string: the job
--- @arg token string: the fencing token
--- @arg reason string: why it could not be cleaned, or ''
--- @returns 1, or 0 if the caller lost the lease or the record is gone
local id, key = args.id, KEY.job .. args.id
if not has_lease('cleanup', id, args.token) then return 0 end
remove('cleanup', id)
local state = redis.call('HGET', key, 'state')
if not state then return 0 end
if args.reason == '' then
  redis.call('HSET', key, 'cleaned_at', text(now()))
else
  redis.call('HSET', key, 'cleanup_error', args.reason)
end
add_event(id, state)
return 1

--- Note what was found of a job that Redis has forgotten, and record it, unless it has a record by now.
--- @include clock
--- @include leases
--- @include states
--- @arg stage string: the stage of the caller's lease
--- @arg entry string: the entry of the caller's lease
--- @arg token string: the fencing token
--- @arg id string: the job
--- @arg found string: what was found, as JSON
--- @arg is_known boolean: note the job because it has a record
--- @arg state string: the state to record it in, or '' to record nothing
--- @arg steps object: stage -> how to wait for it, other than what follows the state anyway
--- @arg lease number: seconds
--- @arg retention number: seconds that an ended job is kept
--- @arg deadline number: seconds
--- @arg key string: the S3 key that its request names, or ''
--- @arg key_seconds number: how long that is remembered
--- @arg fields object: fields of the record
--- @returns 'noted', 'known' if the job has a record, 'lost' if the caller lost the lease
local id, key = args.id, KEY.job .. args.id
if not has_lease(args.stage, args.entry, args.token) then return 'lost' end
if not args.is_known and redis.call('EXISTS', key) == 1 then return 'known' end
if args.state ~= '' then check_first_state(id, args.state) end
redis.call('HSET', KEY.recovered, id, args.found)
if args.state == '' then return 'noted' end
local at = now()
redis.call('HSET', key, 'attempt', '1', 'at.QUEUED', decimal(at))
set_fields(id, args.fields)
set_deadline(id, at, args.deadline)
enter_state(id, args.state, at, {lease = args.lease, retention = args.retention, steps = args.steps})
if args.key ~= '' then redis.call('SET', KEY.key .. args.key, id, 'NX', 'EX', args.key_seconds) end
return 'noted'

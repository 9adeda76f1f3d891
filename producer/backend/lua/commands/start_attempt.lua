--- Start a new attempt of a retried job, now that nothing of the last one is there to be fetched.
--- @include attempts
--- @include clock
--- @include leases
--- @include states
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the job
--- @arg token string: the fencing token
--- @returns 1, or 0 if the caller lost the lease
if not has_lease(args.stage, args.id, args.token) then return 0 end
check_move(args.id, redis.call('HGET', KEY.job .. args.id, 'state'), 'QUEUED')
remove(args.stage, args.id)
start_attempt(args.id, 'COLLECTING', now())
return 1

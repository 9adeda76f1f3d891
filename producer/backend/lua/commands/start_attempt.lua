--- Start a new attempt of a retried job, now that nothing of the last one is there to be fetched.
--- @include attempts
--- @include clock
--- @include leases
--- @include states
--- @arg id string: the job
--- @arg token string: the fencing token of the collect entry
--- @returns 1, or 0 if the caller lost the lease
if not has_lease('collect', args.id, args.token) then return 0 end
check_move(args.id, redis.call('HGET', KEY.job .. args.id, 'state'), 'QUEUED')
remove('collect', args.id)
start_attempt(args.id, 'COLLECTING', now())
return 1

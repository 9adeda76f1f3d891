--- Record how a recovery ended, and complete its entry.
--- @include clock
--- @include leases
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the entry of the caller's lease
--- @arg token string: the fencing token
--- @arg seconds number: for which the answer is kept
--- @arg known number: jobs that had a record
--- @arg foreign number: Transcribe jobs of others
--- @arg error string: why the recovery ended early, or ''
--- @returns 1, or 0 if the caller lost the lease
if not has_lease(args.stage, args.id, args.token) then return 0 end
remove(args.stage, args.id)
redis.call('HSET', KEY.recovery, 'finished_at', decimal(now()), 'known', args.known,
  'foreign', args.foreign, 'error', args.error, 'trouble', '')
redis.call('EXPIRE', KEY.recovery, args.seconds)
redis.call('EXPIRE', KEY.recovered, args.seconds)
return 1

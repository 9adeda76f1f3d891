--- Note that a running job which AWS's list lacks has no result: the poll asks AWS about it soon, unless
--- the list has it again.
--- @include clock
--- @include leases
--- @include running
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the job
--- @arg token string: the fencing token
--- @returns 1, or 0 if the caller lost the lease or the job does not run
local id = args.id
if not has_lease(args.stage, id, args.token) then return 0 end
if redis.call('HGET', KEY.job .. id, 'state') ~= 'TRANSCRIBING' then return 0 end
remove(args.stage, id)
note_missed(id)
expedite_poll(now())
return 1

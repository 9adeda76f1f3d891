--- Count a try that crashed, and release the entry, unless it was the last try. How often it stalled
--- stays counted.
--- @include clock
--- @include leases
--- @arg stage string: the entry's stage
--- @arg id string: the entry
--- @arg token string: the fencing token
--- @arg max_failures number: tries in all
--- @arg delay number: seconds until it is due again
--- @returns how many tries failed, 0 if the caller lost the lease
local stage, id = args.stage, args.id
if not has_lease(stage, id, args.token) then return 0 end
local failed = redis.call('HINCRBY', KEY.failures .. stage, id, 1)
if failed < args.max_failures then wait_until(stage, id, now() + args.delay) end
return failed

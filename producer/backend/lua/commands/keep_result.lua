--- Keep a result for producers, if the caller still has the job: nothing of a stopped one stays.
--- @include leases
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the job
--- @arg token string: the fencing token
--- @arg seconds number: how long it is kept
--- @arg keys string[]: where each piece goes; the pieces themselves, binary, are ARGV[2] and on
--- @returns 1, or 0 if the caller lost the lease
local id = args.id
if not has_lease(args.stage, id, args.token) then return 0 end
redis.call('DEL', KEY.text .. id, KEY.document .. id)
for i, key in ipairs(args.keys) do redis.call('SET', key, ARGV[i + 1], 'EX', args.seconds) end
return 1

--- Record a request that can never be carried out, under the name it carried, if that is free.
--- @include clock
--- @include states
--- @arg id string: the name
--- @arg request string: what is kept of the request, as JSON
--- @arg retention number: seconds that it is kept
--- @arg fields object: fields of the record that say why
--- @returns 1, or 0 if the name is used
local key = KEY.job .. args.id
if redis.call('EXISTS', key) == 1 then return 0 end
local at = now()
redis.call('HSET', key, 'request', args.request, 'attempt', '1', 'at.QUEUED', decimal(at))
set_fields(args.id, args.fields)
enter_state(args.id, 'FAILED', at, {retention = args.retention})
return 1

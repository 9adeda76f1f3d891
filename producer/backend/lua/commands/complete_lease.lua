--- Complete an entry: nothing is left to do.
--- @include clock
--- @include leases
--- @include states
--- @arg stage string: the entry's stage
--- @arg id string: the entry
--- @arg token string: the fencing token
--- @arg watches_running boolean: whether the entry stays, due at once, while any job runs
--- @arg deletes_message boolean: whether the entry is a message in the inbox, which goes with it
--- @arg fields object: fields that the record of its job has from then on; who watches the job sees an event
--- @returns 1, or 0 if the caller lost the lease
local stage, id = args.stage, args.id
if not has_lease(stage, id, args.token) then return 0 end
-- A job may have been started since the caller looked.
if args.watches_running and redis.call('EXISTS', KEY.running) == 1 then
  release(stage, id, now())
  return 1
end
remove(stage, id)
if args.deletes_message then redis.call('DEL', KEY.inbox .. id) end
local state = next(args.fields) and redis.call('HGET', KEY.job .. id, 'state')
if state then
  set_fields(id, args.fields)
  add_event(id, state)
end
return 1

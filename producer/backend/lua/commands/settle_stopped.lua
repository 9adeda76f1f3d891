--- A job that was stopped while Transcribe had it: keep its slot while it runs there, then clean up.
--- @include clock
--- @include leases
--- @include running
--- @include states
--- @arg stage string: the stage of the caller's lease
--- @arg entry string: the entry of the caller's lease
--- @arg token string: the fencing token
--- @arg id string: the job
--- @arg is_running boolean: whether Transcribe has it still
--- @arg cleanup string: the stage that cleans up
--- @arg cleanup_after number: seconds until that is due, once Transcribe has it no more
--- @arg fields object: fields of the record
--- @returns 1, or 0 if the caller lost the lease
local id = args.id
if not has_lease(args.stage, args.entry, args.token) then return 0 end
if args.entry == id then remove(args.stage, id) end
set_fields(id, args.fields)
local at = now()
if args.is_running then
  enter_running(id, at)
else
  leave_running(id)
  wait_until(args.cleanup, id, at + args.cleanup_after)
end
return 1

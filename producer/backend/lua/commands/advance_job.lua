--- Move a job to its next state, with what follows, if the caller still has the lease.
--- @include clock
--- @include leases
--- @include running
--- @include states
--- @include twins
--- @arg stage string: the stage of the caller's lease
--- @arg entry string: the entry of the caller's lease
--- @arg token string: the fencing token
--- @arg id string: the job
--- @arg from string[]: the states that the caller expects
--- @arg to string: the state to enter
--- @arg steps object: stage -> how to wait for it, other than what follows the state anyway
--- @arg lease number: seconds
--- @arg retention number: seconds that an ended job is kept
--- @arg fields object: fields of the record
--- @arg offer object: `fingerprint`, `entry` and `seconds` of a result that its twins may have, or nothing; with
---   `only_over`, nothing but that job's result is replaced by it
--- @returns 1 if moved, 0 if the caller lost the lease or the job is in another state
local id = args.id
if not has_lease(args.stage, args.entry, args.token) then return 0 end
local state = redis.call('HGET', KEY.job .. id, 'state')
local is_expected = false
for _, each in ipairs(args.from) do is_expected = is_expected or each == state end
if not is_expected then return 0 end
check_move(id, state, args.to)
local at = now()
if args.entry ~= id then
  -- A worker may be looking for the result of a running job. Where that is what follows, it begins anew, and
  -- the workers that it cost still count.
  if not FOLLOWS[args.to] or not FOLLOWS[args.to][STAGE_OF.COLLECTING] then remove(STAGE_OF.COLLECTING, id) end
elseif args.steps[args.stage] ~= 'none' then
  remove(args.stage, id)
end
if state == 'TRANSCRIBING' then
  if args.to == 'COLLECTING' then record_duration(id, at) end
  leave_running(id)
end
set_fields(id, args.fields)
offer_result(args.offer)
move(id, state, args.to, at, {lease = args.lease, retention = args.retention, steps = args.steps})
return 1

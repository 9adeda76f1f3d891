--- Move a job on whose audio is in S3, by what is known of its fingerprint: of all jobs that have the same
--- one is started, and the others have its result.
--- @include clock
--- @include leases
--- @include states
--- @include twins
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the job
--- @arg token string: the fencing token
--- @arg fingerprint string: the job's fingerprint
--- @arg original string: the state that a job enters which no other has a result for
--- @arg reuse string: the same of one for which a result is known
--- @arg wait number: seconds after which a job whose twin is on its way asks again
--- @arg silence number: seconds after which a worker counts as dead
--- @arg lease number: seconds
--- @arg fields object: fields of the record, its `fingerprint` among them
--- @returns 'original', 'reuse', 'wait', or 'lost' if the caller lost the lease; and the twin, or ''
local id, fingerprint = args.id, args.fingerprint
local key = KEY.job .. id
if not has_lease(args.stage, id, args.token) then return {'lost', ''} end
local state = redis.call('HGET', key, 'state')
local at = now()
local answer, twin = find_twin(id, fingerprint)
if answer ~= 'original' and not fleet_reuses(at, args.silence) then answer, twin = 'original', '' end
local to = answer == 'original' and args.original or args.reuse
if answer ~= 'wait' then check_move(id, state, to) end
local awaited = redis.call('HGET', key, 'waits_for')
if answer == 'wait' then wait_for_twin(id, twin) end
set_fields(id, args.fields)
if answer == 'original' then
  enter_originals(id, fingerprint)
elseif answer == 'reuse' then
  redis.call('HSET', key, 'reused_from', twin)
end
if answer == 'wait' then
  release(args.stage, id, at + args.wait)
else
  remove(args.stage, id)
  move(id, state, to, at, {lease = args.lease})
  redis.call('HDEL', key, 'waits_for')
end
-- What the upload has seen is of no use any more, and of jobs that wait each field costs memory.
redis.call('HDEL', key, 'seen', 'seen_at')
-- Each that was woken wakes further ones, so that no script wakes a hundred thousand.
if awaited and not is_living(awaited) then wake_twins(awaited, at) end
return {answer, twin}

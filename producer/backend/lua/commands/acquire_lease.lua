--- Acquire the lease of an entry for which a message arrived.
--- @include clock
--- @include leases
--- @include states
--- @arg stage string: the entry's stage
--- @arg id string: the entry
--- @arg lease number: seconds until the lease lapses
--- @arg of_job boolean: whether the entry is a job's, so that its record must exist
--- @arg on_start object: state -> the state that a job of it enters now
--- @returns nothing if there is nothing to do, else the fencing token, how often the entry stalled, the
---   fields of the record, the time
local stage, id = args.stage, args.id
local due = redis.call('ZSCORE', KEY.schedule .. stage, id)
if not due then return nil end
local at = now()
if not has_lease(stage, id, '0') and tonumber(due) > at then return nil end
local record = {}
if args.of_job then
  local state = redis.call('HGET', KEY.job .. id, 'state')
  if not state then
    -- Its record has expired or was deleted: there is nothing left to do.
    remove(stage, id)
    return nil
  end
  if args.on_start[state] then move(id, state, args.on_start[state], at, {}) end
  record = redis.call('HGETALL', KEY.job .. id)
end
local token = next_token(at)
redis.call('ZADD', KEY.schedule .. stage, decimal(at + args.lease), id)
redis.call('HSET', KEY.lease .. stage, id, token)
return {token, tonumber(redis.call('HGET', KEY.stalled .. stage, id) or '0'), record, decimal(at)}

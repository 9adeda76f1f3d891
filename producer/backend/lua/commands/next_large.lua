--- Remove the large entry whose turn it is from the fair queue; it is due at once.
--- @include clock
--- @include fair_queue
--- @include leases
--- @arg stage string: the stage
--- @arg weights object: tenant -> weight
--- @returns its id; '' if none waits; nothing if that is not known yet, and the caller asks again
local stage = args.stage
local queue = large_queue(stage)
local function still_waits(id)
  if redis.call('ZREM', KEY.large .. stage, id) == 0
      or not redis.call('ZSCORE', KEY.schedule .. stage, id) then
    return false
  end
  -- An entry with a lease is another worker's; one with a message is nobody's yet.
  local token = redis.call('HGET', KEY.lease .. stage, id)
  return not token or token == '0'
end
local id = next_waiting(queue, args.weights, still_waits)
if not id then return redis.call('EXISTS', KEY.tenants .. queue) == 0 and '' or nil end
wait_until(stage, id, now())
return id

--- Release a large entry that reached the concurrency limit: it waits in a fair queue.
--- @include clock
--- @include fair_queue
--- @include leases
--- @arg stage string: the entry's stage
--- @arg id string: the entry
--- @arg token string: the fencing token
--- @returns 1, or 0 if the caller lost the lease
-- A worker that is done with large work continues with the next entry. Should none do so, because it
-- died or a new one came, waiting entries are due by themselves: after so many seconds, so many a second.
local DUE_AFTER, DUE_A_SECOND = 3, 5
local stage, id = args.stage, args.id
if not has_lease(stage, id, args.token) then return 0 end
local at = now()
local state = redis.call('HGET', KEY.job .. id, 'state')
local since = tonumber(redis.call('HGET', KEY.job .. id, 'at.' .. (state or '')) or at)
redis.call('ZADD', KEY.large .. stage, enqueue(large_queue(stage), id, since), id)
-- Nothing was done, so how often it stalled stays counted.
wait_until(stage, id, at + DUE_AFTER + redis.call('ZCARD', KEY.large .. stage) / DUE_A_SECOND)
return 1

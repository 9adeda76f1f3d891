--- @include clock
--- @include tenants
-- Fair queues: jobs that are QUEUED or READY, one queue a state.
-- Each tenant's entries wait in a set of their own, by priority and age. Tenants are served by
-- virtual time: a turn costs a tenant 1 / weight. A tenant whose entries have run out stays in the
-- queue until its virtual time has come, so nobody gains by submitting one job at a time.

-- One step of priority is worth ten minutes of waiting, so that nothing starves.
local PRIORITY_STEP = 600
-- A tenant that begins to wait is served at the end of the round, before those who were served in it.
local A_ROUND = 0.999
-- One script looks at so many tenants without entries at most, for Redis serves nobody meanwhile.
local MAX_EMPTY = 100
local empty = 0

local function waiting(queue, tenant)
  return KEY.waiting .. queue .. (tenant == '' and '' or ':' .. tenant)
end

local function enqueue(queue, id, at)
  local known = redis.call('HMGET', KEY.job .. id, 'priority', 'tenant')
  local tenant = known[2] or ''
  local rank = text(at + (known[1] or DEFAULT_PRIORITY) * PRIORITY_STEP)
  redis.call('ZADD', waiting(queue, tenant), rank, id)
  local last = tonumber(redis.call('GET', KEY.virtual_time .. queue) or '0')
  redis.call('ZADD', KEY.tenants .. queue, 'NX', text(last + A_ROUND), tenant)
end

-- Put a job that had its turn before all tenants: AWS had no slot for it.
local function requeue_first(id, at)
  redis.call('ZADD', KEY.requeued, text(at), id)
end

local function dequeue(id)
  local tenant = tenant_of(id)
  redis.call('ZREM', waiting('QUEUED', tenant), id)
  redis.call('ZREM', waiting('READY', tenant), id)
  redis.call('ZREM', KEY.requeued, id)
end

local function is_anything_waiting(queue)
  return redis.call('EXISTS', KEY.tenants .. queue) == 1
    or queue == 'READY' and redis.call('EXISTS', KEY.requeued) == 1
end

-- Remove and return the entry whose turn it is. Returns nil if none waits, or if MAX_EMPTY tenants had
-- none: those are removed, and the next script continues. A job that is in another state meanwhile is
-- dropped and costs no turn.
local function next_waiting(queue, weights)
  local function first_of(key)
    while true do
      local id = redis.call('ZPOPMIN', key)[1]
      if not id or redis.call('HGET', KEY.job .. id, 'state') == queue then return id end
    end
  end
  local id = queue == 'READY' and first_of(KEY.requeued)
  while not id do
    local tenant, due = unpack(redis.call('ZRANGE', KEY.tenants .. queue, 0, 0, 'WITHSCORES'))
    if not tenant then
      redis.call('DEL', KEY.virtual_time .. queue)
      return nil
    end
    if empty == MAX_EMPTY then return nil end
    id = first_of(waiting(queue, tenant))
    if id then
      redis.call('SET', KEY.virtual_time .. queue, due)
      redis.call('ZADD', KEY.tenants .. queue, text(due + 1 / (weights[tenant] or 1)), tenant)
    else
      redis.call('ZREM', KEY.tenants .. queue, tenant)
      empty = empty + 1
    end
  end
  return id
end

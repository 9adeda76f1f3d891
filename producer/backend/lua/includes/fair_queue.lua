--- @include clock
--- @include tenants
-- Fair queues: jobs that wait to be uploaded (QUEUED) or started (READY), one queue a state.
-- A tenant's jobs wait in a set of their own, the one with the lowest rank first: by age and priority, of which
-- 0 is the most urgent. Of the tenants that with the lowest virtual time is next: a job costs its tenant
-- 1 / weight, and weights are from 0.01 to 100. A tenant whose jobs have run out stays in the queue until its
-- virtual time has come, so nobody gains by submitting one job at a time.

-- One step of priority is worth ten minutes of waiting, so that nothing starves.
local PRIORITY_STEP = 600
-- A tenant that comes anew is served after all that wait already, for each of those is less than a job of
-- weight 1 behind the one served last; but before these are served once more.
local JUST_UNDER_ONE_JOB = 0.999
-- So many tenants without jobs one script removes at most, for Redis serves nobody meanwhile.
local MAX_REMOVED = 100
local tenants_removed = 0

local function key_of(queue, tenant)
  return KEY.waiting .. queue .. (tenant == '' and '' or ':' .. tenant)
end

local function enqueue(queue, id, at)
  local known = redis.call('HMGET', KEY.job .. id, 'priority', 'tenant')
  local tenant = known[2] or ''
  local rank = text(at + (known[1] or DEFAULT_PRIORITY) * PRIORITY_STEP)
  redis.call('ZADD', key_of(queue, tenant), rank, id)
  local last = tonumber(redis.call('GET', KEY.virtual_time .. queue) or '0')
  redis.call('ZADD', KEY.tenants .. queue, 'NX', text(last + JUST_UNDER_ONE_JOB), tenant)
end

-- Put a job that was served before all tenants: AWS had no slot for it.
local function requeue_first(id, at)
  redis.call('ZADD', KEY.requeued, text(at), id)
end

-- Withdraw a job that is not to be served any more from whichever queue it waits in.
local function withdraw(id)
  local tenant = tenant_of(id)
  redis.call('ZREM', key_of('QUEUED', tenant), id)
  redis.call('ZREM', key_of('READY', tenant), id)
  redis.call('ZREM', KEY.requeued, id)
end

local function is_anything_waiting(queue)
  return redis.call('EXISTS', KEY.tenants .. queue) == 1
    or queue == 'READY' and redis.call('EXISTS', KEY.requeued) == 1
end

-- The tenant that is served next, and its virtual time; nil if there is none. To pass over a tenant, return
-- the next one: it keeps its virtual time, so it is served first once it is passed over no more.
local function next_tenant(queue)
  return unpack(redis.call('ZRANGE', KEY.tenants .. queue, 0, 0, 'WITHSCORES'))
end

-- Remove a tenant that has no jobs. The last one ends the queue, and the next begins its virtual time at 0.
local function remove_tenant(queue, tenant)
  redis.call('ZREM', KEY.tenants .. queue, tenant)
  if redis.call('EXISTS', KEY.tenants .. queue) == 0 then redis.call('DEL', KEY.virtual_time .. queue) end
  tenants_removed = tenants_removed + 1
end

-- Remove and return the job that has the lowest rank beneath a key. Those whose record is gone, or in another
-- state, are dropped; that costs no tenant anything, and each is met once.
local function pop_job(queue, key)
  while true do
    local id = redis.call('ZPOPMIN', key)[1]
    if not id or redis.call('HGET', KEY.job .. id, 'state') == queue then return id end
  end
end

-- Remove and return the job that is served next. Returns nil if this script can serve no more: none waits, or
-- it has removed MAX_REMOVED tenants, and the next script goes on.
local function next_waiting(queue, weights)
  local id = queue == 'READY' and pop_job(queue, KEY.requeued)
  while not id do
    local tenant, virtual_time = next_tenant(queue)
    if not tenant or tenants_removed == MAX_REMOVED then return nil end
    id = pop_job(queue, key_of(queue, tenant))
    if id then
      redis.call('SET', KEY.virtual_time .. queue, virtual_time)
      redis.call('ZADD', KEY.tenants .. queue, text(virtual_time + 1 / (weights[tenant] or 1)), tenant)
    else
      remove_tenant(queue, tenant)
    end
  end
  return id
end

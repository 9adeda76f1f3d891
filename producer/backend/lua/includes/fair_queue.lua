--- @include clock
--- @include tenants
-- The fair queues. A job waits in the queue of its state: QUEUED for its upload, READY for its start.
-- A tenant's jobs are sorted by rank, the lowest first: when a job came, plus PRIORITY_STEP x priority.
-- The tenants are sorted by virtual time, the lowest first. The first tenant's first job is served, which adds
-- 1 / weight to the tenant's virtual time; weights are from 0.01 to 100. A tenant whose jobs have run out
-- stays until it is first again: if it left at once, it could come anew without having paid for its last job.
-- KEY.virtual_time is that of the job served last. It never falls while the queue has tenants.

-- Seconds: priority 0 is the most urgent, and each step from it costs ten minutes, so that nothing starves.
local PRIORITY_STEP = 600
-- A tenant that comes anew has so much more virtual time than the job served last. Among tenants of weight 1
-- that is after all that wait, but before the one that was just served, which has 1 more.
local JUST_UNDER_ONE_JOB = 0.999
-- A run of a script, which may serve many jobs, removes at most so many tenants, for Redis serves nobody else
-- meanwhile. Each run counts from 0.
local MAX_REMOVED = 100
local removed_in_this_run = 0

local function waiting_key(state, tenant)
  return KEY.waiting .. state .. (tenant == '' and '' or ':' .. tenant)
end

local function last_virtual_time(state)
  return tonumber(redis.call('GET', KEY.virtual_time .. state) or '0')
end

local function enqueue(state, id, at)
  local known = redis.call('HMGET', KEY.job .. id, 'priority', 'tenant')
  local tenant = known[2] or ''
  local rank = decimal(at + (known[1] or DEFAULT_PRIORITY) * PRIORITY_STEP)
  redis.call('ZADD', waiting_key(state, tenant), rank, id)
  local virtual_time = decimal(last_virtual_time(state) + JUST_UNDER_ONE_JOB)
  redis.call('ZADD', KEY.tenants .. state, 'NX', virtual_time, tenant)
end

-- Let a READY job wait before those of all tenants: it was served already, but AWS had no slot for it.
local function enqueue_first(id, at)
  redis.call('ZADD', KEY.requeued, decimal(at), id)
end

-- Withdraw a job that is not to be served any more from whichever queue it waits in.
local function withdraw(id)
  local tenant = tenant_of(id)
  redis.call('ZREM', waiting_key('QUEUED', tenant), id)
  redis.call('ZREM', waiting_key('READY', tenant), id)
  redis.call('ZREM', KEY.requeued, id)
end

-- Whether a job may be waiting: also true while the queue has only tenants whose jobs have run out.
local function is_anything_waiting(state)
  return redis.call('EXISTS', KEY.tenants .. state) == 1
    or state == 'READY' and redis.call('EXISTS', KEY.requeued) == 1
end

-- The tenant that is served next, and its virtual time; nil if the queue has none. Nothing is removed. To pass
-- over a tenant, return the one after it: it stays the first meanwhile, and that earns it one job only.
local function first_tenant(state)
  return unpack(redis.call('ZRANGE', KEY.tenants .. state, 0, 0, 'WITHSCORES'))
end

-- Remove a tenant that has no jobs. Once the queue has no tenant, its virtual time starts at 0 again.
local function remove_tenant(state, tenant)
  redis.call('ZREM', KEY.tenants .. state, tenant)
  if redis.call('EXISTS', KEY.tenants .. state) == 0 then redis.call('DEL', KEY.virtual_time .. state) end
  removed_in_this_run = removed_in_this_run + 1
end

-- Remove and return the first job of a sorted set; nil if it has none. A job whose record is gone or in another
-- state is removed, too, and passed over at no cost to its tenant.
local function pop_job(state, key)
  while true do
    local id = redis.call('ZPOPMIN', key)[1]
    if not id or redis.call('HGET', KEY.job .. id, 'state') == state then return id end
  end
end

-- Remove and return the job that is served next. Returns nil if none waits, or if this run of the script has
-- removed MAX_REMOVED tenants: the next run goes on.
local function pop_next(state, weights)
  local id
  if state == 'READY' then id = pop_job(state, KEY.requeued) end
  while not id do
    local tenant, virtual_time = first_tenant(state)
    if not tenant or removed_in_this_run == MAX_REMOVED then return nil end
    id = pop_job(state, waiting_key(state, tenant))
    if id then
      -- A tenant that was passed over may be behind: it pays as the others do by now, lest it be served alone.
      local served_at = math.max(last_virtual_time(state), tonumber(virtual_time))
      redis.call('SET', KEY.virtual_time .. state, decimal(served_at))
      redis.call('ZADD', KEY.tenants .. state, decimal(served_at + 1 / (weights[tenant] or 1)), tenant)
    else
      remove_tenant(state, tenant)
    end
  end
  return id
end

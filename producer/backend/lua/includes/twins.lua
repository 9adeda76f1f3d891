--- @include leases
-- Jobs that have the same fingerprint. The first is the original; its twins wait for its result.
--   originals              beginning of a fingerprint -> the job that is on its way to its result
--   identity:<fingerprint> where a result is, as JSON with the `job` that has it
--   twins:<job>            jobs that wait for that one

-- So many are made due by one script, for Redis serves nobody meanwhile.
local MAX_WOKEN = 100

-- The field of a record: in audio that is not ours, a mark of that follows.
local function fingerprint_of(id)
  return string.match(redis.call('HGET', KEY.job .. id, 'fingerprint') or '', '^%S*')
end

-- By this `originals` has a job, for it saves memory. The record says which fingerprint it really has.
local function prefix_of(fingerprint) return string.sub(fingerprint, 1, 12) end

local function is_living(id)
  local state = redis.call('HGET', KEY.job .. id, 'state')
  return state and not TERMINAL[state]
end

-- Whether all workers can collect a twin's result, and wake who waits: one of an older version cannot.
local function fleet_reuses(at, silence)
  for _, heartbeat in ipairs(redis.call('HVALS', KEY.workers)) do
    local worker = cjson.decode(heartbeat)
    if not worker.can_reuse and at - worker.seen_at <= silence then return false end
  end
  return true
end

-- What a job is by its fingerprint, and by whose result: 'original', 'reuse' or 'wait'.
local function find_twin(id, fingerprint)
  local entry = redis.call('GET', KEY.identity .. fingerprint)
  if entry then return 'reuse', cjson.decode(entry).job end
  local other = redis.call('HGET', KEY.originals, prefix_of(fingerprint))
  -- A retried job may have other audio by now.
  if other and other ~= id and is_living(other) and fingerprint_of(other) == fingerprint then
    return 'wait', other
  end
  return 'original', ''
end

local function enter_originals(id, fingerprint)
  redis.call('HSET', KEY.originals, prefix_of(fingerprint), id)
end

local function wait_for_twin(id, twin)
  redis.call('HSET', KEY.job .. id, 'waits_for', twin)
  redis.call('SADD', KEY.twins .. twin, id)
end

-- Make jobs due that wait for one that has ended. One that a worker is at asks by itself.
local function wake_twins(id, at)
  for _, each in ipairs(redis.call('SPOP', KEY.twins .. id, MAX_WOKEN)) do
    local known = redis.call('HMGET', KEY.job .. each, 'state', 'waits_for')
    local stage = known[1] and STAGE_OF[known[1]]
    if stage and known[2] == id and redis.call('HEXISTS', KEY.lease .. stage, each) == 0
        and redis.call('ZSCORE', KEY.schedule .. stage, each) then
      wait_until(stage, each, at)
    end
  end
end

-- A job has ended: it is nobody's original any more, and waits for nobody.
local function leave_twins(id, at)
  local original = prefix_of(fingerprint_of(id))
  if redis.call('HGET', KEY.originals, original) == id then
    redis.call('HDEL', KEY.originals, original)
  end
  local awaited = redis.call('HGET', KEY.job .. id, 'waits_for')
  if awaited then
    redis.call('SREM', KEY.twins .. awaited, id)
    redis.call('HDEL', KEY.job .. id, 'waits_for')
  end
  wake_twins(id, at)
end

-- Record where a result is, as its job is completed.
local function offer_result(offer)
  if not offer.fingerprint then return end
  local key = KEY.identity .. offer.fingerprint
  local entry = offer.only_over and redis.call('GET', key)
  if entry and cjson.decode(entry).job ~= offer.only_over then return end
  redis.call('SET', key, offer.entry, 'EX', offer.seconds)
end

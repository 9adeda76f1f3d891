--- @include clock
-- A stage's waiting and running work is one sorted set of due times, schedule:<stage>.
-- lease:<stage> says what an entry is:
--   no field  it waits until it is due (a retry delay, a snooze)
--   '0'       a message for it is on its way; it is due again after MESSAGE_EXPIRES_AFTER
--   token     a worker has a lease with this fencing token; it is due again when the lease lapses
-- An entry that is due and has a lease or a message has stalled: its worker died, or its message was
-- lost.

local function has_lease(stage, id, token)
  return redis.call('HGET', KEY.lease .. stage, id) == token
end

-- Never repeats, even if Redis comes back without its last second.
local function next_token(at)
  local last = tonumber(redis.call('GET', KEY.fencing_token) or '0')
  local token = string.format('%.0f', math.max(last + 1, math.floor(at * 1000)))
  redis.call('SET', KEY.fencing_token, token)
  return token
end

-- Let an entry wait until it is due.
local function wait_until(stage, id, due)
  redis.call('ZADD', KEY.schedule .. stage, decimal(due), id)
  redis.call('HDEL', KEY.lease .. stage, id)
end

-- Release an entry whose work went as it should so far.
local function release(stage, id, due)
  wait_until(stage, id, due)
  redis.call('HDEL', KEY.stalled .. stage, id)
  redis.call('HDEL', KEY.failures .. stage, id)
end

local function remove(stage, id)
  redis.call('ZREM', KEY.schedule .. stage, id)
  redis.call('HDEL', KEY.lease .. stage, id)
  redis.call('HDEL', KEY.stalled .. stage, id)
  redis.call('HDEL', KEY.failures .. stage, id)
end

-- How many entries of a stage have a lease or a message that has not lapsed, and which have stalled, the
-- longest ago first. Whatever waits for entries to end counts the live ones, for a stalled one may never end.
local function live_and_stalled(stage, at)
  local live, stalled, since = 0, {}, {}
  for _, id in ipairs(redis.call('HKEYS', KEY.lease .. stage)) do
    since[id] = tonumber(redis.call('ZSCORE', KEY.schedule .. stage, id))
    if since[id] and since[id] > at then
      live = live + 1
    elseif since[id] then
      stalled[#stalled + 1] = id
    end
  end
  table.sort(stalled, function(one, other) return since[one] < since[other] end)
  return live, stalled
end

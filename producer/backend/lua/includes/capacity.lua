-- What the fleet may use of the account. Other software may use it, too.

-- Recovery from a refusal, a second: of a rate's factor, and of all slots (but at least so many).
local RATE_RECOVERY = 0.05
local SLOTS_RECOVERY, MIN_SLOTS_RECOVERY = 0.025, 0.5

-- What the account allows. `limit` is a worker's setting: '25' is a default, which what Service Quotas
-- said to any worker replaces; '25!' was set by the operator, who may want to leave room for others.
local function quota(name, limit)
  local number, fixed = string.match(limit, '^([^!]+)(!?)$')
  if fixed == '' then number = redis.call('HGET', KEY.quotas, name) or number end
  return tonumber(number)
end

-- The backoff factor of a rate (AIMD): halved when AWS refuses a call, it recovers by and by. It is
-- kept as it was when it was halved last.
local function backoff_factor(operation, at)
  local kept = redis.call('HMGET', KEY.backoff .. operation, 'factor', 'at')
  if not kept[1] then return 1 end
  return math.min(1, tonumber(kept[1]) + RATE_RECOVERY * math.max(0, at - tonumber(kept[2])))
end

-- The slots that the fleet may use now, and how many the account has. Other software's jobs are counted
-- in the list of running jobs. Those that are not listed show by a refused start: then the fleet keeps
-- to fewer slots than it had, and to a few more each second.
local function slots(limit, at)
  local all = quota('slots', limit)
  local ours = all - tonumber(redis.call('GET', KEY.other_jobs) or '0')
  local kept = redis.call('HMGET', KEY.backoff .. 'slots', 'number', 'at')
  if kept[1] then
    local recovered = math.max(MIN_SLOTS_RECOVERY, all * SLOTS_RECOVERY)
      * math.max(0, at - tonumber(kept[2]))
    ours = math.min(ours, math.floor(tonumber(kept[1]) + recovered))
  end
  return math.max(1, ours), all
end

-- Note that the fleet keeps to less than the account allows. Returns 1 if it did not before.
local function slow(what) return redis.call('SADD', KEY.slowed, what) end

-- What the fleet may use of the account. Other software may use it, too.

-- Each second the fleet recovers so much of a quota from a refusal, but at least so many calls or jobs.
local RECOVERY, MIN_RECOVERY = 0.025, 0.5

-- What the account allows. `limit` is a worker's setting: '25' is a default, which what Service Quotas
-- said to any worker replaces; '25!' was set by the operator, who may want to leave room for others.
local function quota(name, limit)
  local number, fixed = string.match(limit, '^([^!]+)(!?)$')
  if fixed == '' then number = redis.call('HGET', KEY.quotas, name) or number end
  return tonumber(number)
end

-- The backoff factor (AIMD) of a rate, or of `slots`: the part of the quota, `all`, that the fleet uses.
-- A refusal reduces it, and it recovers gradually. It is kept as it was at the last refusal.
local function backoff_factor(what, all, at)
  local kept = redis.call('HMGET', KEY.backoff .. what, 'factor', 'at')
  if not kept[1] then return 1 end
  local recovered = math.max(RECOVERY, MIN_RECOVERY / all) * math.max(0, at - tonumber(kept[2]))
  return math.min(1, tonumber(kept[1]) + recovered)
end

-- What of a quota the fleet uses, as a whole number, and all of it.
local function usable(what, limit, at)
  local all = math.max(1, math.floor(quota(what, limit)))
  return math.max(1, math.floor(all * backoff_factor(what, all, at) + 0.001)), all
end

-- The slots that the fleet may use now, and how many the account has. Other software's jobs are counted
-- in the list of running jobs. Those that are not listed show by a refused start.
local function slots(limit, at)
  local ours, all = usable('slots', limit, at)
  local others = tonumber(redis.call('GET', KEY.other_jobs) or '0')
  return math.max(1, math.min(ours, all - others)), all
end

-- Note that the fleet keeps to less than the account allows. Returns 1 if it did not before.
local function slow(what) return redis.call('SADD', KEY.slowed, what) end

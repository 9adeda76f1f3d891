--- @include clock
-- The jobs that Transcribe has.

-- So many durations are kept, for so many seconds after the last; fewer than the third say nothing.
local DURATIONS_KEPT, DURATIONS_EXPIRE, DURATIONS_NEEDED = 50, 3600, 20
-- The poll looks for a new job so many seconds after its start, unless even the quickest of the last
-- jobs took longer than the second.
local FIRST_POLL, LONG_JOB = 1, 60

-- Seconds that the quickest of the last jobs took at Transcribe; 0 if too few have ended.
local function quickest()
  local durations = redis.call('LRANGE', KEY.durations, 0, -1)
  if #durations < DURATIONS_NEEDED then return 0 end
  local least = math.huge
  for _, seconds in ipairs(durations) do least = math.min(least, tonumber(seconds)) end
  return least
end

-- When the poll is to look for the job that was started last; nil if it need not hurry.
local function first_poll()
  local youngest = redis.call('ZRANGE', KEY.running, -1, -1, 'WITHSCORES')
  if not youngest[2] or quickest() > LONG_JOB then return nil end
  return tonumber(youngest[2]) + FIRST_POLL
end

-- Transcribe has a job: there is something to poll for.
local function enter_running(id, at)
  local stage = STAGE_OF.TRANSCRIBING
  redis.call('ZADD', KEY.running, text(at), id)
  redis.call('ZADD', KEY.schedule .. stage, 'NX', text(at), FLEET)
  -- The next poll may be far off, for what has been running may take long.
  local due = first_poll()
  if due and redis.call('HEXISTS', KEY.lease .. stage, FLEET) == 0 then
    redis.call('ZADD', KEY.schedule .. stage, 'LT', text(due), FLEET)
  end
end

-- Transcribe has a job no more: its slot is free.
local function leave_running(id) redis.call('ZREM', KEY.running, id) end

-- Keep how long a job took at Transcribe, which says how soon others may end.
local function record_duration(id, at)
  local since = redis.call('ZSCORE', KEY.running, id)
  if not since then return end
  redis.call('LPUSH', KEY.durations, text(at - tonumber(since)))
  redis.call('LTRIM', KEY.durations, 0, DURATIONS_KEPT - 1)
  redis.call('EXPIRE', KEY.durations, DURATIONS_EXPIRE)
end

--- @include clock
-- The jobs that Transcribe has.

-- So many durations are kept, for so many seconds after the last; fewer than the third say nothing.
local DURATIONS_KEPT, DURATIONS_EXPIRE, DURATIONS_NEEDED = 50, 3600, 20
-- The poll looks for a new job so many seconds after its start, unless even the quickest of the last
-- jobs took longer than the second.
local FIRST_POLL, LONG_JOB = 1, 60
-- Seconds after which it is forgotten what a list lacked, longer than from one poll to the next.
local MISSED_EXPIRES = 60

-- Seconds that the quickest of the last jobs took at Transcribe; 0 if too few have ended.
local function quickest()
  local durations = redis.call('LRANGE', KEY.durations, 0, -1)
  if #durations < DURATIONS_NEEDED then return 0 end
  local least = math.huge
  for _, seconds in ipairs(durations) do least = math.min(least, tonumber(seconds)) end
  return least
end

-- When the poll is to come at the latest; nil if it need not hurry. It looks for the job that was started
-- last, and again for those that the last list lacked; a list of many pages is not asked for so often.
local function first_poll(at)
  local youngest = redis.call('ZRANGE', KEY.running, -1, -1, 'WITHSCORES')
  if youngest[2] and quickest() <= LONG_JOB and tonumber(youngest[2]) + FIRST_POLL > at then
    return tonumber(youngest[2]) + FIRST_POLL
  end
  if redis.call('EXISTS', KEY.missed) == 0 then return nil end
  return at + FIRST_POLL * tonumber(redis.call('GET', KEY.list_pages) or '1')
end

-- Have the poll come in time; a worker that is at it now asks `first_poll` by itself.
local function expedite_poll(at)
  local stage = STAGE_OF.TRANSCRIBING
  local due = first_poll(at)
  if due and redis.call('HEXISTS', KEY.lease .. stage, FLEET) == 0 then
    redis.call('ZADD', KEY.schedule .. stage, 'LT', decimal(due), FLEET)
  end
end

-- Transcribe has a job: there is something to poll for.
local function enter_running(id, at)
  redis.call('ZADD', KEY.running, decimal(at), id)
  redis.call('ZADD', KEY.schedule .. STAGE_OF.TRANSCRIBING, 'NX', decimal(at), FLEET)
  -- The next poll may be far off, for what has been running may take long.
  expedite_poll(at)
end

-- The list lacks a job, and its result is not there.
local function note_missed(id)
  redis.call('SADD', KEY.missed, id)
  redis.call('EXPIRE', KEY.missed, MISSED_EXPIRES)
end

-- Transcribe has a job no more: its slot is free.
local function leave_running(id)
  redis.call('ZREM', KEY.running, id)
  redis.call('SREM', KEY.missed, id)
end

-- Keep how long a job took at Transcribe, which says how soon others may end.
local function record_duration(id, at)
  local since = redis.call('ZSCORE', KEY.running, id)
  if not since then return end
  redis.call('LPUSH', KEY.durations, decimal(at - tonumber(since)))
  redis.call('LTRIM', KEY.durations, 0, DURATIONS_KEPT - 1)
  redis.call('EXPIRE', KEY.durations, DURATIONS_EXPIRE)
end

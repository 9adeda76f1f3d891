-- Put before every script. Redis runs a script alone, so each one is a transaction.
--
-- A stage's waiting and running work is one sorted set of due times, schedule:<stage>.
-- holder:<stage> says what an entry is:
--   no field    waiting until it is due (a backoff, a snooze)
--   '0'         a message for it is on its way; due again after MESSAGE_LASTS
--   generation  a task is at it; due again when the lease lapses without renewal
-- Time is always Redis's own, so clocks of producers and workers need not agree.
local P = 'transcribe:'
local EVENTS_KEPT = 100000
-- Seconds after which a message that nobody took up is taken for lost. A worker that is killed or
-- stopped while it waits for messages can swallow one. A second message does no harm.
local MESSAGE_LASTS = 5
-- What concerns no one job is an entry under what can be no job's name.
local FLEET = '*'
-- A door, at which others leave what they like; our own messages for that queue lie apart.
local CONTROL_QUEUE = 'transcription.control'
-- Where producers with a priority leave their messages: kombu has a list for each step of it.
local DOORS = {CONTROL_QUEUE, CONTROL_QUEUE .. '\6\0223', CONTROL_QUEUE .. '\6\0226',
  CONTROL_QUEUE .. '\6\0229'}
local CONTROL_LIST = 'transcription.control:ours'
-- One step of priority is worth ten minutes of waiting, so that nothing starves.
local PRIORITY_STEP = 600
-- Seconds from a job's completion to its cleaning up. Redis writes to its disk every second or two:
-- should it lose what came after, the result must still be there to be fetched again.
local CLEANUP_AFTER = 2
-- Cleanups that call nobody but S3 go, by so many seconds, before those that wait for Transcribe.
local AHEAD = 1e8
-- Of work that calls Transcribe so many seconds' calls are on their way at once, and nothing is added
-- while a call would wait for longer than that.
local MOST_AHEAD, MOST_WAIT = 2, 0.5
local CONTROL_STAGES = {submit = true, start = true, poll = true, adopt = true}
local TERMINAL = {COMPLETED = true, FAILED = true, CANCELLED = true}

local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end

local function text(number) return string.format('%.6f', number) end

local function job_key(id) return P .. 'job:' .. id end
local function schedule(stage) return P .. 'schedule:' .. stage end
local function holder(stage) return P .. 'holder:' .. stage end
local function lapses(stage) return P .. 'lapses:' .. stage end
local function tries(stage) return P .. 'tries:' .. stage end
-- The line of those that are large and wait for a seat in some worker.
local function seats(stage) return P .. 'seats:' .. stage end
local function list(queue) return queue == CONTROL_QUEUE and CONTROL_LIST or queue end
local function arrival(number) return P .. 'arrival:' .. number end
local function line(state) return P .. 'line:' .. state end
local function index(state) return P .. 'state:' .. state end

-- Never repeats, even if Redis comes back without its last second.
local function next_generation(at)
  local last = tonumber(redis.call('GET', P .. 'generation') or '0')
  local generation = string.format('%.0f', math.max(last + 1, math.floor(at * 1000)))
  redis.call('SET', P .. 'generation', generation)
  return generation
end

-- Hand an entry to whichever worker comes first: a Celery message that says "look at this job now".
-- Should it get lost, the entry is due again before long.
local function dispatch(stage, id, at, lease)
  redis.call('ZADD', schedule(stage), text(at + math.min(lease, MESSAGE_LASTS)), id)
  redis.call('HSET', holder(stage), id, '0')
  local queue = CONTROL_STAGES[stage] and CONTROL_QUEUE or 'transcription.' .. stage
  local tag = stage .. ':' .. id .. ':' .. text(at)
  local message = cjson.encode({
    body = '[["' .. id .. '"],{},{}]',
    ['content-type'] = 'application/json',
    ['content-encoding'] = 'utf-8',
    headers = {task = 'transcription.' .. stage, id = tag},
    properties = {delivery_tag = tag, delivery_info = {exchange = '', routing_key = queue}},
  })
  redis.call('LPUSH', list(queue), message)
end

local function wait_until(stage, id, due)
  redis.call('ZADD', schedule(stage), text(due), id)
  redis.call('HDEL', holder(stage), id)
end

local function forget(stage, id)
  redis.call('ZREM', schedule(stage), id)
  redis.call('HDEL', holder(stage), id)
  redis.call('HDEL', lapses(stage), id)
  redis.call('HDEL', tries(stage), id)
  redis.call('ZREM', seats(stage), id)
end

local function enter_line(state, id, at, ahead)
  local priority = tonumber(redis.call('HGET', job_key(id), 'priority') or '5')
  redis.call('ZADD', line(state), text(at + priority * PRIORITY_STEP - (ahead or 0)), id)
end

local function set_state(id, from, to, at, retention)
  local key = job_key(id)
  if from then redis.call('ZREM', index(from), id) end
  redis.call('ZADD', index(to), text(at), id)
  redis.call('HSET', key, 'state', to, 'at.' .. to, text(at))
  local attempt = redis.call('HGET', key, 'attempt') or '1'
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*',
    'job', id, 'state', to, 'attempt', attempt)
  if TERMINAL[to] then
    redis.call('ZREM', P .. 'deadlines', id)
    redis.call('EXPIRE', key, retention)
  end
end

-- Whether Transcribe may know a job; one that was rebuilt after a loss never was UPLOADING.
local function was_at_transcribe(id)
  local times = redis.call('HMGET', job_key(id), 'at.STARTING', 'at.TRANSCRIBING', 'at.COLLECTING',
    'at.UPLOADING')
  return times[1] or times[2] or times[3] or not times[4]
end

local function set_deadline(id, at, seconds)
  if seconds == '' then return end
  local due = text(at + tonumber(seconds))
  redis.call('HSET', job_key(id), 'deadline_at', due)
  redis.call('ZADD', P .. 'deadlines', due, id)
end

local function set_fields(id, first)
  for i = first, #ARGV, 2 do
    redis.call('HSET', job_key(id), ARGV[i], ARGV[i + 1])
  end
end

-- Calls of one operation of the account go out one by one over the whole fleet, `gap` seconds apart.
-- When the next may be made:
local function free_at(operation, at)
  return math.max(at, tonumber(redis.call('GET', P .. 'free:' .. operation) or '0'))
end

-- How much of the work that ends in such a call may be handed out now, and the time up to which that
-- was handed out already. It goes out as fast as the calls, but not while calls wait for their turn,
-- nor while so much is on its way that the last of it would wait for long.
local function inflow(operation, stage, gap, at)
  if free_at(operation, at) - at > MOST_WAIT then return 0, at end
  local handed_out = tonumber(redis.call('GET', P .. 'inflow:' .. operation) or '0')
  local since = math.max(handed_out, at - math.max(MOST_WAIT, gap))
  local ahead = math.max(1, math.floor(MOST_AHEAD / gap)) - redis.call('HLEN', holder(stage))
  return math.max(0, math.min(math.floor((at - since) / gap + 0.001), ahead)), since
end

local function let_in(operation, number, gap, since)
  if number > 0 then redis.call('SET', P .. 'inflow:' .. operation, text(since + number * gap)) end
end

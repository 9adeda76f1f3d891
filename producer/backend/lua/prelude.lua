-- Put before every script. Redis runs a script alone, so each one is a transaction.
--
-- A stage's waiting and running work is one sorted set of due times, schedule:<stage>.
-- holder:<stage> says what an entry is:
--   no field    waiting until it is due (a backoff, a snooze)
--   '0'         a message for it is on its way; due again after MESSAGE_LASTS
--   generation  a task is at it; due again when the lease lapses without renewal
-- An entry that is due and has a holder all the same was let lapse: its worker is dead, or its message lost.
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
-- A tenant that begins to wait has its first turn at the end of the round, before those who had theirs.
local A_ROUND = 0.999
-- Seconds from a job's completion to its cleaning up. Redis writes to its disk every second or two:
-- should it lose what came after, the result must still be there to be fetched again.
local CLEANUP_AFTER = 2
-- Cleanups that call nobody but S3 go, by so many seconds, before those that wait for Transcribe.
local AHEAD = 1e8
-- Seconds for which a permit to call rests, once the answer to the call has come: one by AWS's clock,
-- whose rate may differ from ours.
local COOLING = 1.005
-- So many of the times that jobs took are kept, for so many seconds after the last; so many tell something.
local TIMES_KEPT, TIMES_LAST, TIMES_TELL = 50, 3600, 20
-- Seconds after its start at which a job is first looked for, unless even the quickest take longer than that.
local FIRST_LOOK, LASTS_LONG = 1, 60
local CONTROL_STAGES = {submit = true, start = true, poll = true, recover = true}
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
-- All that are large and stand in line for a seat in some worker, whosever they are, by priority and
-- age. Whose turn it is tell the lines of tenants, below; but only who is in here stands in line.
-- Versions that knew no turns there have this one line, so both work side by side.
local function seats(stage) return P .. 'seats:' .. stage end
local function for_seats(stage) return 'seats:' .. stage end
local function list(queue) return queue == CONTROL_QUEUE and CONTROL_LIST or queue end
local function arrival(number) return P .. 'arrival:' .. number end
-- What producers are given of a result: its `text` and its `document`.
local function kept(kind, id) return P .. kind .. ':' .. id end
local function index(state) return P .. 'state:' .. state end
local function line(state, tenant)
  return P .. 'line:' .. state .. (tenant == '' and '' or ':' .. tenant)
end

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

-- The same for an entry whose work went as it should so far.
local function give_back(stage, id, due)
  wait_until(stage, id, due)
  redis.call('HDEL', lapses(stage), id)
  redis.call('HDEL', tries(stage), id)
end

local function forget(stage, id)
  redis.call('ZREM', schedule(stage), id)
  redis.call('HDEL', holder(stage), id)
  redis.call('HDEL', lapses(stage), id)
  redis.call('HDEL', tries(stage), id)
  if redis.call('ZREM', seats(stage), id) == 1 then
    redis.call('ZREM', line(for_seats(stage), redis.call('HGET', job_key(id), 'tenant') or ''), id)
  end
end

-- Jobs that are QUEUED or READY, and large ones that wait for seats, stand in line, each tenant's in a
-- line of its own, by priority and age. Where we say state, it may also be `for_seats` of a stage.
-- turns:<state> has the time of each tenant's next turn, by a clock that counts turns: one costs
-- 1 / weight, and turn:<state> is the time of the last one. Whose line has run empty stays until that
-- turn has come, so that nobody gains by waiting with one job at a time; then nothing is left of it.
-- Jobs without a tenant are one tenant, ''. Its lines are also those of versions that knew no tenants.
local function turns(state) return P .. 'turns:' .. state end
local function turn(state) return P .. 'turn:' .. state end
-- So many tenants whose lines have run empty are looked at by one script, for nobody is served meanwhile.
local MOST_EMPTY = 100
local empty = 0
-- Jobs that had their turn, but AWS had no slot for them: before all lines.
local FIRST = P .. 'line:first'

local function take_turns(state, tenant)
  local last = tonumber(redis.call('GET', turn(state)) or '0')
  redis.call('ZADD', turns(state), 'NX', text(last + A_ROUND), tenant)
end

-- Returns the place in line.
local function enter_line(state, id, at)
  local known = redis.call('HMGET', job_key(id), 'priority', 'tenant')
  local tenant = known[2] or ''
  local place = text(at + (known[1] or 5) * PRIORITY_STEP)
  redis.call('ZADD', line(state, tenant), place, id)
  take_turns(state, tenant)
  return place
end

local function leave_line(id)
  local tenant = redis.call('HGET', job_key(id), 'tenant') or ''
  redis.call('ZREM', line('QUEUED', tenant), id)
  redis.call('ZREM', line('READY', tenant), id)
  redis.call('ZREM', FIRST, id)
end

local function is_line(state)
  if redis.call('EXISTS', line(state, '')) == 1 then take_turns(state, '') end
  return redis.call('EXISTS', turns(state)) == 1
    or state == 'READY' and redis.call('EXISTS', FIRST) == 1
end

-- Take the job whose turn it is out of its line; nil if none waits, or if that is not known yet because
-- of many empty lines: those are gone then, and the next script goes on. A job that no longer waits, by
-- default as it is in another state, such as one that an older version has stopped, is passed over and
-- costs no turn.
local function next_in_line(state, weights, waits)
  waits = waits or function(id) return redis.call('HGET', job_key(id), 'state') == state end
  local function first_of(key)
    while true do
      local id = redis.call('ZPOPMIN', key)[1]
      if not id or waits(id) then return id end
    end
  end
  local id = state == 'READY' and first_of(FIRST)
  while not id do
    local tenant, due = unpack(redis.call('ZRANGE', turns(state), 0, 0, 'WITHSCORES'))
    if not tenant then
      redis.call('DEL', turn(state))
      return nil
    end
    if empty == MOST_EMPTY then return nil end
    id = first_of(line(state, tenant))
    if id then
      redis.call('SET', turn(state), due)
      redis.call('ZADD', turns(state), text(due + 1 / (weights[tenant] or 1)), tenant)
    else
      redis.call('ZREM', turns(state), tenant)
      empty = empty + 1
    end
  end
  return id
end

-- Seconds that the quickest of the last jobs took at Transcribe; 0 if too few have ended to tell.
local function quickest()
  local took = redis.call('LRANGE', P .. 'took', 0, -1)
  if #took < TIMES_TELL then return 0 end
  local least = math.huge
  for _, seconds in ipairs(took) do least = math.min(least, tonumber(seconds)) end
  return least
end

-- When the job that was started last wants a first look; nil if that has been, or there is time.
local function first_look()
  local youngest = redis.call('ZRANGE', P .. 'running', -1, -1, 'WITHSCORES')
  if not youngest[2] or quickest() > LASTS_LONG then return nil end
  return tonumber(youngest[2]) + FIRST_LOOK
end

-- Transcribe has a job: there is something to poll for.
local function enter_running(id, at)
  redis.call('ZADD', P .. 'running', text(at), id)
  redis.call('ZADD', schedule('poll'), 'NX', text(at), FLEET)
  -- The next look may be far off, for what has been running may last.
  local due = first_look()
  if due and redis.call('HEXISTS', holder('poll'), FLEET) == 0 then
    redis.call('ZADD', schedule('poll'), 'LT', text(due), FLEET)
  end
end

-- Seconds that a job took at Transcribe, of the last few: how soon others may be expected to end.
local function remember_time(id, at)
  local since = redis.call('ZSCORE', P .. 'running', id)
  if not since then return end
  redis.call('LPUSH', P .. 'took', text(at - tonumber(since)))
  redis.call('LTRIM', P .. 'took', 0, TIMES_KEPT - 1)
  redis.call('EXPIRE', P .. 'took', TIMES_LAST)
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
    -- Whoever collected it may have kept it already; nobody can keep it any more.
    if to ~= 'COMPLETED' then redis.call('DEL', kept('text', id), kept('document', id)) end
  end
end

-- Whether Transcribe may know a job, by any of its attempts.
local function was_at_transcribe(id)
  local known = redis.call('HMGET', job_key(id), 'at.STARTING', 'result_uri', 'attempt')
  return known[1] or (known[2] or '') ~= '' or known[3] ~= '1'
end

local function set_deadline(id, at, seconds)
  if seconds == '' then return end
  local due = text(at + tonumber(seconds))
  redis.call('HSET', job_key(id), 'deadline_at', due)
  redis.call('ZADD', P .. 'deadlines', due, id)
end

-- A new attempt of a job, in the same record.
local function start_anew(id, from, at)
  local key = job_key(id)
  redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HDEL', key, 'media_uri', 'result_uri', 'started_at', 'cleaned_at', 'cleanup_error',
    'adopted', 'keeps_write_check')
  set_state(id, from, 'QUEUED', at)
  enter_line('QUEUED', id, at)
end

local function set_fields(id, first)
  for i = first, #ARGV, 2 do
    redis.call('HSET', job_key(id), ARGV[i], ARGV[i + 1])
  end
end

-- An operation that may be called N times a second has N permits for the whole fleet. One is taken
-- right before a call is sent and given back once its answer has come, and rests for a second then.
-- AWS meets the call in between, so of N + 1 calls the last reaches it more than a second after the
-- first, however long each is on its way.
--   permits:out:<operation>      permit -> when it counts as given back, should its worker have died
--   permits:cooling:<operation>  permit -> when it may be taken again
--   permits:pause:<operation>    nobody calls before that time
local function out(operation) return P .. 'permits:out:' .. operation end
local function cooling(operation) return P .. 'permits:cooling:' .. operation end

-- What the account allows: a worker's own setting, as '25', gives way to what Service Quotas said to any
-- worker; '25!' is the operator's word, who may want to leave room for others.
local function quota(name, told)
  local number, fixed = string.match(told, '^([^!]+)(!?)$')
  if fixed == '' then number = redis.call('HGET', P .. 'quotas', name) or number end
  return tonumber(number)
end

-- Others use the account, too: how much of a rate is ours. Halved when AWS refuses a call, it comes back
-- by and by; it is kept as what it was when it was last halved.
local SHARE_BACK = 0.05 -- a second
local function share(operation, at)
  local stored = redis.call('HMGET', P .. 'share:' .. operation, 'share', 'at')
  if not stored[1] then return 1 end
  return math.min(1, tonumber(stored[1]) + SHARE_BACK * math.max(0, at - tonumber(stored[2])))
end

-- The slots that are ours now, and how many the account has. What others have is seen in the list of
-- running jobs. What is not to be seen there shows by a refused start: then we keep to less than we had,
-- and to a little more each second.
local SLOTS_BACK = 0.025 -- of all, a second
local LEAST_BACK = 0.5
local function slots(told, at)
  local all = quota('slots', told)
  local ours = all - tonumber(redis.call('GET', P .. 'others') or '0')
  local stored = redis.call('HMGET', P .. 'share:slots', 'share', 'at')
  if stored[1] then
    local back = math.max(LEAST_BACK, all * SLOTS_BACK) * math.max(0, at - tonumber(stored[2]))
    ours = math.min(ours, math.floor(tonumber(stored[1]) + back))
  end
  return math.max(1, ours), all
end

-- Note that the fleet keeps to less than the account allows. Returns 1 if it did not before.
local function yielding(what)
  return redis.call('SADD', P .. 'yielding', what)
end

-- Permits of an operation, and the seconds for which each rests.
local function permits(operation, told, at)
  local rate = quota(operation, told)
  local number = math.max(1, math.floor(rate))
  local ours = math.max(1, math.floor(number * share(operation, at) + 0.001))
  return ours, COOLING * math.max(1, number / rate)
end

-- Forget permits that may be taken again, and those of dead workers.
local function drop_rested(operation, at)
  redis.call('ZREMRANGEBYSCORE', cooling(operation), '-inf', text(at))
  redis.call('ZREMRANGEBYSCORE', out(operation), '-inf', text(at))
end

local function paused_until(operation)
  return tonumber(redis.call('GET', P .. 'permits:pause:' .. operation) or '0')
end

local function pause(operation, seconds, at)
  local resume = math.max(paused_until(operation), at + seconds)
  local key = P .. 'permits:pause:' .. operation
  redis.call('SET', key, text(resume), 'PX', math.ceil((resume - at) * 1000) + 1000)
end

-- How many entries of a stage have a living holder, and which have one that let them lapse, the longest
-- ago first. Who counts holders to let others wait for them counts the living only, for a dead one never
-- ends; unless what it was at is handed out again by itself.
local function holders(stage, at)
  local living, lapsed, since = 0, {}, {}
  for _, id in ipairs(redis.call('HKEYS', holder(stage))) do
    since[id] = tonumber(redis.call('ZSCORE', schedule(stage), id))
    if since[id] and since[id] > at then
      living = living + 1
    elseif since[id] then
      lapsed[#lapsed + 1] = id
    end
  end
  table.sort(lapsed, function(one, other) return since[one] < since[other] end)
  return living, lapsed
end

-- How many more entries of a stage, whose work ends in a call of the operation, may be handed out beside
-- so many that are: as many as there will be permits for `ahead` seconds from now, but only a few beyond
-- those that are free already, for they wait in threads of workers.
local function inflow(operation, handed_out, told, ahead, at)
  if paused_until(operation) > at + ahead then return 0 end
  drop_rested(operation, at)
  local number = permits(operation, told, at)
  local taken = redis.call('ZCARD', out(operation))
  local free = number - taken - redis.call('ZCARD', cooling(operation))
  local soon = redis.call('ZCOUNT', cooling(operation), '-inf', text(at + ahead))
  local on_their_way = handed_out - taken
  return math.max(0, free + math.min(soon, math.ceil(number * ahead)) - math.max(0, on_their_way))
end

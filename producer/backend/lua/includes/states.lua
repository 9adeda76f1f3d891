--- @include clock
--- @include fair_queue
--- @include leases
--- @include messages
--- @include running
--- @include twins
-- The states of jobs. `producer/contract/job.py` has the moves, `producer/contract/stages.py` what follows.

local EVENTS_KEPT = 100000

-- Refuse a move that no table allows, before anything is written.
local function check_move(id, from, to)
  if not MOVES[from][to] then
    error('job ' .. id .. ' cannot move from ' .. from .. ' to ' .. to)
  end
end

-- Refuse a record that begins in a state in which none may, before anything is written.
local function check_first_state(id, state)
  if not FIRST[state] then error('job ' .. id .. ' cannot begin in ' .. state) end
end

local function add_event(id, state)
  local attempt = redis.call('HGET', KEY.job .. id, 'attempt') or '1'
  redis.call('XADD', KEY.events, 'MAXLEN', '~', EVENTS_KEPT, '*',
    'job', id, 'state', state, 'attempt', attempt)
end

-- Let a job that enters a state wait for a stage, in a way that `Wait` of stages.py names.
local function wait_for(stage, wait, id, state, at, lease)
  if wait == 'turn' then
    enqueue(state, id, at)
  elseif wait == 'first' then
    enqueue_first(id, at)
  elseif wait == 'message' then
    dispatch(stage, id, at, lease)
  elseif wait == 'running' then
    enter_running(id, at)
  elseif wait ~= 'none' then
    wait_until(stage, id, at + wait)
  end
end

-- Every job that enters a state passes here, with what follows. `options` has what the state needs:
--   lease      seconds, where a message is sent
--   retention  seconds that the record is kept from now on, where the job ends
--   steps      stage -> how to wait for it, beside those of FOLLOWS or instead of them
local function enter_state(id, to, at, options)
  local key = KEY.job .. id
  redis.call('ZADD', KEY.state .. to, decimal(at), id)
  redis.call('HSET', key, 'state', to, 'at.' .. to, decimal(at))
  add_event(id, to)
  if TERMINAL[to] then
    redis.call('ZREM', KEY.deadlines, id)
    leave_twins(id, at)
    local texts = {KEY.text .. id, KEY.document .. id}
    -- A worker that collects it may have kept these already, and none can keep them any more.
    if not HAS_RESULT[to] then redis.call('DEL', unpack(texts)) end
    for _, each in ipairs({key, unpack(texts)}) do redis.call('EXPIRE', each, options.retention) end
  end
  local steps = options.steps or {}
  for stage, wait in pairs(FOLLOWS[to] or {}) do
    if not steps[stage] then wait_for(stage, wait, id, to, at, options.lease) end
  end
  for stage, wait in pairs(steps) do wait_for(stage, wait, id, to, at, options.lease) end
end

local function move(id, from, to, at, options)
  check_move(id, from, to)
  redis.call('ZREM', KEY.state .. from, id)
  enter_state(id, to, at, options)
end

local function set_fields(id, fields)
  for name, value in pairs(fields) do redis.call('HSET', KEY.job .. id, name, value) end
end

local function set_deadline(id, at, seconds)
  local due = decimal(at + seconds)
  redis.call('HSET', KEY.job .. id, 'deadline_at', due)
  redis.call('ZADD', KEY.deadlines, due, id)
end

-- Whether Transcribe may know a job, by any of its attempts.
local function was_at_transcribe(id)
  local known = redis.call('HMGET', KEY.job .. id, 'at.STARTING', 'result_uri', 'attempt')
  return known[1] or (known[2] or '') ~= '' or known[3] ~= '1'
end

--- Record jobs and queue them, each in one step; a few at a time, for Redis serves nobody meanwhile.
--- @include clock
--- @include fair_queue
--- @include messages
--- @include states
--- @arg lease number: seconds
--- @arg room number: messages up to which new ones are sent at once, while no job waits
--- @arg cleanup string: the stage whose entry shows that a job is being cleaned up
--- @arg jobs object[]: each with id, request, deadline (seconds), priority, audio, tenant
--- @returns for each 'created', or 'same' or 'different' if the id is used already
local at = now()

-- The owner of a record that a recovery rebuilt knows better what was requested. Nothing is started
-- again, but a result is written again, as it is requested now. The field says for which audio the
-- record is, as far as that is known.
local function correct(job, known)
  local key = KEY.job .. job.id
  if known.rebuilt ~= ANY_AUDIO and known.rebuilt ~= job.audio then return false end
  redis.call('HSET', key, 'request', job.request, 'priority', job.priority, 'tenant', job.tenant)
  local is_cleaned = redis.call('ZSCORE', KEY.schedule .. args.cleanup, job.id)
    or redis.call('HEXISTS', key, 'cleaned_at') == 1
  if HAS_RESULT[known.state] and MOVES[known.state].COLLECTING and not is_cleaned then
    redis.call('PERSIST', key)
    move(job.id, known.state, 'COLLECTING', at, {lease = args.lease})
  elseif known.state == 'COLLECTING' then
    -- A worker that collects it now does so for the earlier request.
    dispatch(STAGE_OF.COLLECTING, job.id, at, args.lease)
  end
  return true
end

local function submit(job)
  local id = job.id
  local key = KEY.job .. id
  local found = redis.call('HMGET', key, 'request', 'error.code', 'state', 'rebuilt')
  local known = {request = found[1], code = found[2], state = found[3], rebuilt = found[4]}
  if known.request and known.code ~= REFUSED then
    local same = known.request == job.request or (known.rebuilt and correct(job, known))
    if same then redis.call('HDEL', key, 'rebuilt') end
    return same and 'same' or 'different'
  end
  -- The name of a refused request is free for the corrected one.
  if known.request then
    redis.call('ZREM', KEY.state .. known.state, id)
    redis.call('DEL', key)
  end
  local fields = {'request', job.request, 'attempt', '1'}
  -- A field costs some eighty bytes: of a hundred thousand jobs that wait, few have these.
  if job.priority ~= DEFAULT_PRIORITY then fields[5], fields[6] = 'priority', job.priority end
  if job.tenant ~= '' then fields[#fields + 1], fields[#fields + 2] = 'tenant', job.tenant end
  redis.call('HSET', key, unpack(fields))
  set_deadline(id, at, job.deadline)
  -- A backlog waits as entries, not as messages: so priority still counts and Celery stays small.
  local is_quiet = args.room > 0 and not is_anything_waiting('QUEUED')
    and redis.call('LLEN', LISTS[STAGE_OF.QUEUED]) < args.room
  local steps = {[STAGE_OF.QUEUED] = is_quiet and 'message' or nil}
  enter_state(id, 'QUEUED', at, {lease = args.lease, steps = steps})
  return 'created'
end

local answers = {}
for i, job in ipairs(args.jobs) do
  answers[i] = submit(job)
  -- They wait in the order in which they came. Less is lost where scores are rounded.
  at = at + 2e-6
end
return answers

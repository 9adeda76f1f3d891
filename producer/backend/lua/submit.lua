-- Record jobs and put them in line, each in one step; a few at a time, for Redis does nothing else
-- meanwhile.
-- ARGV: lease, room in the queue, then of each job: id, request, deadline in seconds or '', priority,
--   audio, tenant or ''
-- Returns for each: 'created', or 'same' or 'different' if the id is taken
local lease, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = now()

-- Of a record that was rebuilt after a loss the owner knows better what was asked for. Nothing is
-- started again, but a result is written again, as it is asked for now. The field says for which
-- audio it is, as far as that is known.
local function corrected(id, known, request, priority, audio, tenant)
  local key = job_key(id)
  if known[4] ~= '*' and known[4] ~= audio then return false end
  redis.call('HSET', key, 'request', request, 'priority', priority, 'tenant', tenant)
  local cleaning = redis.call('ZSCORE', schedule('cleanup'), id)
    or redis.call('HEXISTS', key, 'cleaned_at') == 1
  if known[3] == 'COMPLETED' and not cleaning then
    redis.call('PERSIST', key)
    set_state(id, 'COMPLETED', 'COLLECTING', at)
    dispatch('collect', id, at, lease)
  elseif known[3] == 'COLLECTING' then
    -- Whoever collects it now does so for the earlier request.
    dispatch('collect', id, at, lease)
  end
  return true
end

local function submit(id, request, deadline, priority, audio, tenant)
  local key = job_key(id)
  local known = redis.call('HMGET', key, 'request', 'error.code', 'state', 'rebuilt')
  if known[1] and known[2] ~= 'InvalidRequest' then
    local same = known[1] == request
      or (known[4] and corrected(id, known, request, priority, audio, tenant))
    if same then redis.call('HDEL', key, 'rebuilt') end
    return same and 'same' or 'different'
  end
  -- The name of a request that was refused is free for the corrected one.
  if known[1] then
    redis.call('ZREM', index(known[3]), id)
    redis.call('DEL', key)
  end
  local fields = {'request', request, 'attempt', '1'}
  -- A field costs some eighty bytes: of a hundred thousand jobs that wait, few have these.
  if priority ~= '5' then fields[5], fields[6] = 'priority', priority end
  if tenant ~= '' then fields[#fields + 1], fields[#fields + 2] = 'tenant', tenant end
  redis.call('HSET', key, unpack(fields))
  set_deadline(id, at, deadline)
  set_state(id, nil, 'QUEUED', at)
  -- A backlog waits as entries, not as messages: so priority still counts and Celery stays small.
  if room > 0 and not is_line('QUEUED') and redis.call('LLEN', 'transcription.upload') < room then
    dispatch('upload', id, at, lease)
  else
    enter_line('QUEUED', id, at)
  end
  return 'created'
end

local answers = {}
for i = 3, #ARGV, 6 do
  answers[#answers + 1] = submit(unpack(ARGV, i, i + 5))
  -- They stand in line in the order in which they came. Less is lost where scores are rounded.
  at = at + 2e-6
end
return answers

--- Fetch what Transcribe made of a job that ended badly, for that was paid for; or, where it certainly
--- made nothing, start a new attempt in the same record. A worker that finds nothing to fetch starts one.
--- @include attempts
--- @include clock
--- @include states
--- @arg id string: the job
--- @arg deadline number: seconds
--- @arg busy_in string[]: stages whose entry shows that the last attempt is not over yet
--- @returns 'ok', '' if there is no such job, 'busy' while the last attempt is still being stopped or
---   cleaned, 'refused' if the request never was one, else the state that forbids it
local id = args.id
local key = KEY.job .. id
local state = redis.call('HGET', key, 'state')
if not state then return '' end
-- A COLLECTING job may become QUEUED, too, but only by the worker that finds nothing to collect.
if not (TERMINAL[state] and MOVES[state].QUEUED) then return state end
-- Of a refused request only its name is known.
if redis.call('HGET', key, 'error.code') == REFUSED then return 'refused' end
if redis.call('ZSCORE', KEY.running, id) then return 'busy' end
for _, stage in ipairs(args.busy_in) do
  if redis.call('ZSCORE', KEY.schedule .. stage, id) then return 'busy' end
end
local at = now()
local known = redis.call('HMGET', key, 'error.code', 'result_uri', 'at.STARTING', 'at.QUEUED')
-- AWS may have carried out a start that failed.
local was_started = (known[2] or '') ~= '' or tonumber(known[3] or '0') > tonumber(known[4])
local is_made = was_started and not NOTHING_MADE[known[1] or '']
redis.call('PERSIST', key)
redis.call('HDEL', key, 'error.code', 'error.message', 'error.stage', 'deadline_at', 'gone')
set_deadline(id, at, args.deadline)
if is_made then
  redis.call('HDEL', key, 'cleaned_at', 'cleanup_error')
  move(id, state, 'COLLECTING', at, {steps = {[STAGE_OF.COLLECTING] = 0}})
else
  start_attempt(id, state, at)
end
return 'ok'

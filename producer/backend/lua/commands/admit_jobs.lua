--- Give free slots of the account to the jobs whose turn it is, as far as they can be started soon.
--- @include capacity
--- @include clock
--- @include fair_queue
--- @include limiter
--- @include states
--- @arg slots string: the account's slots, as a limit
--- @arg start_rate string: starts a second, as a limit
--- @arg lease number: seconds
--- @arg weights object: tenant -> weight
--- @returns the ids admitted
-- Seconds: workers admit about as often.
local AHEAD_OF_START = 0.25
local stage = STAGE_OF.STARTING
if not is_anything_waiting('READY') then return {} end
local at = now()
-- Counted from what is there, so that a slot cannot leak. AWS may have the job of a start that broke off,
-- so it has a slot until another worker has seen.
local free = slots(args.slots, at) - redis.call('ZCARD', KEY.running)
  - redis.call('ZCARD', KEY.schedule .. stage)
if free <= 0 then return {} end
-- Those of dead workers count, too: they are sent again before long, however many wait, and need tokens
-- before any new one.
local dispatched = redis.call('HLEN', KEY.lease .. stage)
local most = inflow('StartTranscriptionJob', dispatched, args.start_rate, AHEAD_OF_START, at)
local admitted = {}
while #admitted < math.min(free, most) do
  local id = pop_next('READY', args.weights)
  if not id then break end
  move(id, 'READY', 'STARTING', at, {lease = args.lease})
  admitted[#admitted + 1] = id
end
return admitted

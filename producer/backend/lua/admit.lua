-- Give free slots of the account to the jobs that are first in line, as far as they can be started soon.
-- ARGV: slots of the account and starts a second, as told, lease, weights of tenants as JSON
-- Returns: the ids admitted
-- Seconds: workers look for starts about as often.
local AHEAD_OF_START = 0.25
local lease = tonumber(ARGV[3])
if not is_line('READY') then return {} end
local at = now()
-- Counted from what is there, so that a slot cannot leak. Of a start that was cut off AWS may have the job,
-- so it has a slot until whoever takes it up next has seen.
local free = slots(ARGV[1], at) - redis.call('ZCARD', P .. 'running') - redis.call('ZCARD', schedule('start'))
if free <= 0 then return {} end
-- Those of dead workers count, too: they are sent again as soon as somebody looks, however many wait, and
-- need permits before any new one.
local handed_out = redis.call('HLEN', holder('start'))
local most = inflow('StartTranscriptionJob', handed_out, ARGV[2], AHEAD_OF_START, at)
local weights = cjson.decode(ARGV[4])
local admitted = {}
while #admitted < math.min(free, most) do
  local id = next_in_line('READY', weights)
  if not id then break end
  set_state(id, 'READY', 'STARTING', at)
  dispatch('start', id, at, lease)
  admitted[#admitted + 1] = id
end
return admitted

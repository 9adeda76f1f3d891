-- Give free slots of the account to the jobs that are first in line, as far as start tokens go.
-- ARGV: slots of the account, starts a second, burst, lease
-- Returns: the ids admitted
local slots, rate, burst, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('EXISTS', line('READY')) == 0 then return {} end
local lowered = redis.call('GET', P .. 'slots')
if lowered then slots = math.min(slots, tonumber(lowered)) end
-- Counted from what is there, so that a slot cannot leak.
local free = slots - redis.call('ZCARD', P .. 'running') - redis.call('ZCARD', schedule('start'))
if free <= 0 then return {} end
local at = now()
local tokens = refill('StartTranscriptionJob', rate, burst, at)
local admitted = {}
while free >= 1 and tokens >= 1 do
  local first = redis.call('ZPOPMIN', line('READY'))
  if #first == 0 then break end
  local id = first[1]
  if redis.call('HGET', job_key(id), 'state') == 'READY' then
    set_state(id, 'READY', 'STARTING', at)
    dispatch('start', id, at, lease)
    admitted[#admitted + 1] = id
    free, tokens = free - 1, tokens - 1
  end
end
keep_tokens('StartTranscriptionJob', tokens, at)
return admitted

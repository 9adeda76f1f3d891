-- Ask the workers to look for what Redis has forgotten; one asks at a time.
-- ARGV: lease, id of this asking, names as JSON, 'yes' for a dry run or ''
-- Returns: the id of the recovery that answers the question, or '' while another question is answered
local lease, id, names, dry_run = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local key = P .. 'recovery'
if redis.call('ZSCORE', schedule('recover'), FLEET) then
  local asked = redis.call('HMGET', key, 'id', 'names', 'dry_run')
  return asked[2] == names and asked[3] == dry_run and asked[1] or ''
end
local at = now()
redis.call('DEL', key, key .. ':jobs')
redis.call('HSET', key, 'id', id, 'names', names, 'dry_run', dry_run, 'asked_at', text(at))
dispatch('recover', FLEET, at, lease)
return id

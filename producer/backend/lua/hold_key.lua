-- Reserve an S3 key for a job: two that use it at once would delete or overwrite each other's result.
-- ARGV: key, id, seconds for which this is remembered
-- Returns: '' if the key is the job's, else the id of the job that has it
local name, id = P .. 'key:' .. ARGV[1], ARGV[2]
local other = redis.call('GET', name)
if other and other ~= id then
  local state = redis.call('HGET', job_key(other), 'state')
  if state and not TERMINAL[state] or redis.call('ZSCORE', schedule('cleanup'), other)
      or redis.call('ZSCORE', P .. 'running', other) then
    return other
  end
end
redis.call('SET', name, id, 'EX', ARGV[3])
return ''

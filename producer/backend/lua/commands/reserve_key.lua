--- Reserve an S3 key for a job: two that use it at once would delete or overwrite each other's result.
--- @arg key string: the S3 key
--- @arg id string: the job
--- @arg seconds number: how long that is remembered
--- @arg cleanup string: the stage whose entry shows that a job may still delete there
--- @returns '' if the key is the job's, else the id of the job that has it
local name, id = KEY.key .. args.key, args.id
local other = redis.call('GET', name)
if other and other ~= id then
  local state = redis.call('HGET', KEY.job .. other, 'state')
  if state and not TERMINAL[state] or redis.call('ZSCORE', KEY.schedule .. args.cleanup, other)
      or redis.call('ZSCORE', KEY.running, other) then
    return other
  end
end
redis.call('SET', name, id, 'EX', args.seconds)
return ''

-- Note how many jobs of others run in the account.
-- ARGV: seconds for which that holds, then the running jobs that are in no list of ours
-- Returns: how many are others', and 1 if the fleet begins to yield, else 0
local others = 0
for i = 2, #ARGV do
  -- One that has just been started, or has ended, has a record; a later attempt under a longer name.
  local id = string.match(ARGV[i], '^(.*)%.%d%d?$')
  local known = redis.call('EXISTS', job_key(ARGV[i])) == 1 or id and redis.call('EXISTS', job_key(id)) == 1
  if not known then others = others + 1 end
end
redis.call('SET', P .. 'others', others, 'PX', math.ceil(tonumber(ARGV[1]) * 1000))
return {others, others > 0 and yielding('slots') or 0}

-- Note how many jobs of others run in the account.
-- ARGV: seconds for which that holds, then the ids of the jobs whose attempts run, as their names tell,
--   and are in no list of ours
-- Returns: how many are others', and 1 if the fleet begins to yield, else 0
local others = 0
for i = 2, #ARGV do
  -- One that has just been started, or has ended, has a record.
  if redis.call('EXISTS', job_key(ARGV[i])) == 0 then others = others + 1 end
end
redis.call('SET', P .. 'others', others, 'PX', math.ceil(tonumber(ARGV[1]) * 1000))
return {others, others > 0 and yielding('slots') or 0}

--- Record how many jobs of other software run in the account.
--- @include capacity
--- @arg seconds number: for which that counts
--- @arg jobs string[]: ids that the names of running jobs suggest, and that no list of ours has
--- @returns how many are others', and 1 if that slows the fleet and it was not slowed before, else 0
local others = 0
for _, id in ipairs(args.jobs) do
  -- One that has just been started, or has ended, has a record.
  if redis.call('EXISTS', KEY.job .. id) == 0 then others = others + 1 end
end
redis.call('SET', KEY.other_jobs, others, 'PX', math.ceil(args.seconds * 1000))
return {others, others > 0 and slow('slots') or 0}

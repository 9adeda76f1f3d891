--- Release a lease: the entry is due again later, or at once.
--- @include clock
--- @include leases
--- @include running
--- @arg stage string: the entry's stage
--- @arg id string: the entry
--- @arg token string: the fencing token
--- @arg delay number: seconds until it is due
--- @arg seen string: what was seen of the job, kept for the next to compare with; or ''
--- @arg has_started boolean: whether work went as it should so far, so that no stall or crash before counts
--- @arg watches_running boolean: whether the entry is due no later than a new job's first poll
--- @returns 1, or 0 if the caller lost the lease
local stage, id = args.stage, args.id
if not has_lease(stage, id, args.token) then return 0 end
local at = now()
local delay = args.delay
if args.watches_running then
  -- A job may have been started since, or looked for in vain.
  local due = first_poll(at)
  if due then delay = math.min(delay, due - at) end
end
if args.seen ~= '' then
  redis.call('HSET', KEY.job .. id, 'seen', args.seen, 'seen_at', decimal(at))
end
if args.has_started then release(stage, id, at + delay) else wait_until(stage, id, at + delay) end
return 1

--- Extend leases that are still the caller's.
--- @include clock
--- @include leases
--- @arg lease number: seconds
--- @arg leases object[]: each with stage, id and token
--- @returns for each 1 (extended) or 0 (lost)
local due = decimal(now() + args.lease)
local extended = {}
for i, each in ipairs(args.leases) do
  extended[i] = has_lease(each.stage, each.id, each.token) and 1 or 0
  if extended[i] == 1 then redis.call('ZADD', KEY.schedule .. each.stage, due, each.id) end
end
return extended

--- Report what the fleet may use of the account now.
--- @include capacity
--- @include clock
--- @arg seconds number: for which the report counts
--- @arg slots string: the account's slots, as a limit
--- @arg rates object[]: each with operation and limit, calls a second
--- @returns that which may be used in full again
local at = now()
local function refusals(what) return tonumber(redis.call('HGET', KEY.refusals, what) or '0') end
local recovered = {}
local function recover(what)
  if redis.call('SREM', KEY.slowed, what) == 1 then recovered[#recovered + 1] = what end
end
local ours, all = slots(args.slots, at)
if ours >= all then recover('slots') end
local rates = {}
for i, each in ipairs(args.rates) do
  local operation, limit = each.operation, each.limit
  local number, every = usable(operation, limit, at)
  local factor = backoff_factor(operation, every, at)
  if factor >= 1 then recover(operation) end
  rates[i] = {
    operation = operation,
    quota = quota(operation, limit),
    tokens = number,
    backoff_factor = math.floor(factor * 100 + 0.5) / 100,
    refused = refusals(operation),
  }
end
redis.call('SET', KEY.capacity, cjson.encode({
  slots = ours,
  quota = all,
  rates = rates,
  refused = refusals('slots'),
  others = tonumber(redis.call('GET', KEY.other_jobs) or '0'),
  measured = redis.call('EXISTS', KEY.quotas) == 1,
}), 'EX', args.seconds)
return recovered

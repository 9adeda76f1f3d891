--- Extend the tokens of calls that take long, for their worker is alive.
--- @include clock
--- @arg seconds number: from now
--- @arg tokens object[]: each with operation and token
local lasts_until = now() + args.seconds
for _, each in ipairs(args.tokens) do
  local key = KEY.tokens_used .. each.operation
  local counts_until = redis.call('ZSCORE', key, each.token)
  if counts_until and tonumber(counts_until) < lasts_until then
    redis.call('ZADD', key, decimal(lasts_until), each.token)
  end
end

--- Release a token.
--- @include clock
--- @include limiter
--- @arg operation string: what was called
--- @arg limit string: calls a second
--- @arg token string: the token
--- @arg usable_at string: when it could have been used, if it was not; else ''
--- @arg cools_longer number: seconds for which it cools longer than usual
local at = now()
local _, rest = tokens(args.operation, args.limit, at)
redis.call('ZREM', KEY.tokens_used .. args.operation, args.token)
-- An unused one not before the one that it replaced has cooled.
local free = args.usable_at ~= '' and tonumber(args.usable_at) or at + rest + args.cools_longer
if free > at then redis.call('ZADD', KEY.tokens_cooling .. args.operation, decimal(free), args.token) end

--- Acquire a token to call an operation of AWS.
--- @include clock
--- @include limiter
--- @arg operation string: what is called
--- @arg limit string: calls a second
--- @arg max_wait number: seconds that the caller is willing to wait
--- @arg lasts number: seconds after its turn at which the caller counts as dead
--- @returns the token, seconds until it may be used, and when that is; or '', seconds until it may be
---   worth asking again, and ''
local used, cooling = KEY.tokens_used .. args.operation, KEY.tokens_cooling .. args.operation
local at = now()
drop_cooled(args.operation, at)
local number, rest = tokens(args.operation, args.limit, at)
local turn, instead_of = math.max(at, paused_until(args.operation)), nil
local missing = redis.call('ZCARD', used) + redis.call('ZCARD', cooling) + 1 - number
if missing > 0 then
  -- No token is free now. The caller reserves the one that will be free at its turn.
  local next_free = redis.call('ZRANGE', cooling, missing - 1, missing - 1, 'WITHSCORES')
  if #next_free == 0 then return {'', decimal(rest), ''} end
  instead_of, turn = next_free[1], math.max(turn, tonumber(next_free[2]))
end
if turn - at > args.max_wait then return {'', decimal(turn - at), ''} end
if instead_of then redis.call('ZREM', cooling, instead_of) end
local token = redis.call('INCR', KEY.tokens_last)
redis.call('ZADD', used, decimal(turn + args.lasts), token)
return {tostring(token), decimal(turn - at), decimal(turn)}

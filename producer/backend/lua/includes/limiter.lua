--- @include capacity
--- @include clock
-- The rate limiter. An operation that may be called N times a second has N tokens for the whole fleet.
-- A call acquires one right before it is sent and releases it once its answer has come; the token cools
-- for a second then. AWS meets the call in between, so of N + 1 calls the last reaches it more than a
-- second after the first, however long each is on its way. A token may be acquired while it still cools:
-- then the caller waits for its turn, which is when it has cooled.
-- After a refusal there are fewer tokens for a while, and gradually more again: `usable` of capacity.
--   tokens:used:<operation>     token -> when it counts as released, should its worker have died
--   tokens:cooling:<operation>  token -> when it may be used again
--   tokens:paused:<operation>   nobody calls before that time

-- A token cools for one second by AWS's clock, whose rate may differ from ours.
local COOLING = 1.005

-- How many tokens of an operation may be used now, and the seconds for which each cools: longer than one
-- where the quota is no whole number, such as one call in two seconds.
local function tokens(operation, limit, at)
  local number, all = usable(operation, limit, at)
  return number, COOLING * math.max(1, all / quota(operation, limit))
end

-- Forget tokens that have cooled, and those that dead workers used: these counted for long enough.
local function drop_cooled(operation, at)
  redis.call('ZREMRANGEBYSCORE', KEY.tokens_cooling .. operation, '-inf', decimal(at))
  redis.call('ZREMRANGEBYSCORE', KEY.tokens_used .. operation, '-inf', decimal(at))
end

local function paused_until(operation)
  return tonumber(redis.call('GET', KEY.tokens_paused .. operation) or '0')
end

local function pause(operation, seconds, at)
  local resume = math.max(paused_until(operation), at + seconds)
  redis.call('SET', KEY.tokens_paused .. operation, decimal(resume),
    'PX', math.ceil((resume - at) * 1000) + 1000)
end

-- How many more entries may be dispatched whose work ends in a call of the operation, where `dispatched`
-- have been and have not ended. There are as many as there will be tokens within `ahead` seconds, but only a
-- few more than tokens that are free now, for dispatched work waits in threads of workers. Calls that were
-- not dispatched, such as a get by the start, use tokens, too.
local function inflow(operation, dispatched, limit, ahead, at)
  if paused_until(operation) > at + ahead then return 0 end
  drop_cooled(operation, at)
  local number = tokens(operation, limit, at)
  local used = redis.call('ZCARD', KEY.tokens_used .. operation)
  local free = number - used - redis.call('ZCARD', KEY.tokens_cooling .. operation)
  local soon = redis.call('ZCOUNT', KEY.tokens_cooling .. operation, '-inf', decimal(at + ahead))
  local on_their_way = dispatched - used
  return math.max(0,
    free + math.min(soon, math.ceil(number * ahead)) - math.max(0, on_their_way))
end

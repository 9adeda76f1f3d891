-- Let nobody call an operation for a while: AWS has refused a call.
-- ARGV: operation, seconds
local key = P .. 'permits:pause:' .. ARGV[1]
local until_when = math.max(paused_until(ARGV[1]), now() + tonumber(ARGV[2]))
redis.call('SET', key, text(until_when), 'PX', math.ceil((until_when - now()) * 1000) + 1000)

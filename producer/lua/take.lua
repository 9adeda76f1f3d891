-- Take the next turn to call an operation of AWS, or (with a penalty) let nobody call it for a while.
-- ARGV: operation, seconds between two calls, seconds that the caller is willing to wait, penalty in
--   seconds or '0'
-- Returns: seconds until the turn comes; if they are more than the caller is willing to wait, it was
--   not taken
local operation, gap, patience, penalty = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
local turn = free_at(operation, at)
if penalty > 0 then
  redis.call('SET', P .. 'free:' .. operation, text(math.max(turn, at + penalty)))
elseif turn - at <= patience then
  redis.call('SET', P .. 'free:' .. operation, text(turn + gap))
end
return text(turn - at)

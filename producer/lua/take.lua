-- Take the next turn to call an operation of AWS, or (with a penalty) let nobody call it for a while.
-- ARGV: operation, seconds between two calls, seconds that the caller is willing to wait, penalty in
--   seconds or '0'
-- Returns: seconds until the turn comes; if they are more than the caller is willing to wait, it was
--   not taken
-- Seconds after which calls count as begun anew; then for how long, and how much, they are apart more.
local REST, WARMING_UP, WARMING_UP_GAP = 1, 2, 1.13
local operation, gap, patience, penalty = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
local turn = free_at(operation, at)
-- The first calls after a rest are the slowest on their way, and would meet those that follow.
local began = P .. 'began:' .. operation
local last = tonumber(redis.call('GET', P .. 'free:' .. operation) or '0')
if last < at - REST then redis.call('SET', began, text(turn)) end
if turn - tonumber(redis.call('GET', began) or '0') < WARMING_UP then gap = gap * WARMING_UP_GAP end
if penalty > 0 then
  redis.call('SET', P .. 'free:' .. operation, text(math.max(turn, at + penalty)))
elseif turn - at <= patience then
  redis.call('SET', P .. 'free:' .. operation, text(turn + gap))
end
return text(turn - at)

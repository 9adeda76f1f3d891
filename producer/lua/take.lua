-- Take a token for one call to AWS, or (with a penalty) empty the bucket for a while.
-- ARGV: operation, rate, burst, penalty in seconds or '0'
-- Returns: seconds to wait before asking again, '0' if the call may be made now
local operation, rate, burst, penalty = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
local tokens = refill(operation, rate, burst, at)
if penalty > 0 then
  keep_tokens(operation, math.min(tokens, 1 - penalty * rate), at)
  return text(penalty)
end
if tokens >= 1 then
  keep_tokens(operation, tokens - 1, at)
  return '0'
end
return text((1 - tokens) / rate)

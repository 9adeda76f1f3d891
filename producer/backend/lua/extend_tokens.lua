-- Keep permits of calls that take long, for their worker is alive.
-- ARGV: seconds, then operation and permit of each
local until_when = now() + tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local counts_until = redis.call('ZSCORE', out(ARGV[i]), ARGV[i + 1])
  if counts_until and tonumber(counts_until) < until_when then
    redis.call('ZADD', out(ARGV[i]), text(until_when), ARGV[i + 1])
  end
end

-- Keep leases that are still held.
-- ARGV: lease, then stage, id, generation of each
-- Returns: for each 1 (kept) or 0 (lost)
local due = text(now() + tonumber(ARGV[1]))
local answers = {}
for i = 2, #ARGV, 3 do
  local stage, id = ARGV[i], ARGV[i + 1]
  if redis.call('HGET', holder(stage), id) == ARGV[i + 2] then
    redis.call('ZADD', schedule(stage), due, id)
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
return answers

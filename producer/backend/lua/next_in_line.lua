-- Take whose turn it is out of the line for seats; it is due at once.
-- ARGV: stage, weights of tenants as JSON
-- Returns: its id; '' if nobody waits; nothing if that is not known yet, and the caller asks again
local stage, weights = ARGV[1], cjson.decode(ARGV[2])
local function waits(id)
  if redis.call('ZREM', seats(stage), id) == 0 or not redis.call('ZSCORE', schedule(stage), id) then
    return false
  end
  -- Of one that is held somebody else sees to it; of one that looks for a seat by a message nobody yet.
  local held = redis.call('HGET', holder(stage), id)
  return not held or held == '0'
end
local id = next_in_line(for_seats(stage), weights, waits)
if not id and redis.call('EXISTS', turns(for_seats(stage))) == 1 then return nil end
while not id do
  -- What a version that knew no turns here has put in line is in no tenant's, until it is looked at.
  local left = redis.call('ZRANGE', seats(stage), 0, 0)[1]
  if not left then return '' end
  id = waits(left) and left
end
wait_until(stage, id, now())
return id

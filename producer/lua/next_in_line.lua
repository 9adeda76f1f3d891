-- Take the first out of the line for seats; it is due at once.
-- ARGV: stage
-- Returns: its id, or '' if nobody waits
local stage = ARGV[1]
while true do
  local id = redis.call('ZPOPMIN', seats(stage))[1]
  if not id then return '' end
  -- Of one that is held, or dispatched, somebody else sees to it.
  if redis.call('ZSCORE', schedule(stage), id) and not redis.call('HGET', holder(stage), id) then
    wait_until(stage, id, now())
    return id
  end
end

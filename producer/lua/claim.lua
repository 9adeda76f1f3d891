-- Claim what is due, and new uploads, as far as the queues have room for messages.
-- ARGV: lease, room for messages, then stage and queue of each
-- Returns: stage, id, stage, id, ...
local lease, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = now()
local free, claimed = {}, {}
local function claim(stage, queue, id)
  dispatch(stage, id, at, lease)
  free[queue] = free[queue] - 1
  claimed[#claimed + 1] = stage
  claimed[#claimed + 1] = id
end
for i = 3, #ARGV, 2 do
  local stage, queue = ARGV[i], ARGV[i + 1]
  if not free[queue] then
    -- What we put into the control queue overtakes what others have put there.
    free[queue] = queue == CONTROL_QUEUE and room or room - redis.call('LLEN', queue)
  end
  if free[queue] > 0 then
    local due = redis.call('ZRANGEBYSCORE', schedule(stage), '-inf', text(at),
      'LIMIT', 0, free[queue])
    for _, id in ipairs(due) do
      local held = redis.call('HGET', holder(stage), id)
      if held and held ~= '0' then redis.call('HINCRBY', lapses(stage), id, 1) end
      claim(stage, queue, id)
    end
  end
  if stage == 'upload' and free[queue] > 0 then
    local first = redis.call('ZPOPMIN', line('QUEUED'), free[queue])
    for k = 1, #first, 2 do claim(stage, queue, first[k]) end
  end
end
return claimed

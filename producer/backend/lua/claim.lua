-- Claim what is due, and new uploads, as far as the queues have room for messages; and take in what
-- others left at the door, so that no worker that dies can take it along.
-- ARGV: lease, room for messages, deletes at Transcribe a second as told, weights of tenants as JSON,
--   then stage and queue of each
-- Returns: stage, id, stage, id, ...
local lease, room = tonumber(ARGV[1]), tonumber(ARGV[2])
-- So many waiting cleanups are looked at for some that need not wait.
local LOOK_AT = 200
-- Seconds from when one is claimed to its call, with what it deletes in S3 before.
local AHEAD_OF_DELETE = 0.5
local at = now()
local claimed = {}
local function claim(stage, id)
  dispatch(stage, id, at, lease)
  redis.call('HSET', P .. 'claimed', stage, text(at))
  claimed[#claimed + 1] = stage
  claimed[#claimed + 1] = id
end
local function free(stage, queue)
  -- No flood of requests at the door delays what runs already: it leaves room for that.
  local most = queue == CONTROL_QUEUE and stage ~= 'submit' and 2 * room or room
  return most - redis.call('LLEN', list(queue))
end
-- What is due, the oldest first; of cleanups only those that can soon make the call they end in. Those of
-- dead workers go first, for they lie behind all that waits.
local function what_is_due(stage, places)
  local look = stage == 'cleanup' and LOOK_AT or places
  local due = redis.call('ZRANGEBYSCORE', schedule(stage), '-inf', text(at), 'LIMIT', 0, look)
  if stage ~= 'cleanup' or #due == 0 then return due end
  local living, lapsed = holders(stage, at)
  local most = inflow('DeleteTranscriptionJob', living, ARGV[3], AHEAD_OF_DELETE, at)
  local chosen, is_chosen, calling = {}, {}, 0
  for _, those in ipairs({lapsed, due}) do
    for _, id in ipairs(those) do
      if #chosen == places then return chosen end
      local calls = was_at_transcribe(id)
      if not is_chosen[id] and (not calls or calling < most) then
        chosen[#chosen + 1], is_chosen[id] = id, true
        if calls then calling = calling + 1 end
      end
    end
  end
  return chosen
end
for i = 5, #ARGV, 2 do
  local stage, queue = ARGV[i], ARGV[i + 1]
  local places = free(stage, queue)
  local new = stage == 'upload' and places > 0 and is_line('QUEUED')
  if places > 0 then
    -- However many are due, as large ones that look for seats after a pause, they leave half of the
    -- places to what is new. Places may come one at a time, so chance, which is the clock's last digit,
    -- decides who has the odd one.
    local chance = math.floor(at * 1e6) % 2
    local due = what_is_due(stage, new and math.floor((places + chance) / 2) or places)
    for _, id in ipairs(due) do
      local held = redis.call('HGET', holder(stage), id)
      if held and held ~= '0' then redis.call('HINCRBY', lapses(stage), id, 1) end
      claim(stage, id)
    end
    places = places - #due
  end
  if new and places > 0 then
    local weights = cjson.decode(ARGV[4])
    for _ = 1, places do
      local first = next_in_line('QUEUED', weights)
      if not first then break end
      claim(stage, first)
    end
  end
  if stage == 'submit' then
    for _, door in ipairs(DOORS) do
      while places > 0 do
        local message = redis.call('RPOP', door)
        if not message then break end
        local number = next_generation(at)
        redis.call('SET', arrival(number), message)
        claim(stage, number)
        places = places - 1
      end
    end
  end
end
return claimed

--- Dispatch what is due, and new work of fair queues, as far as the queues have room for messages; and
--- move what others left for us to the inbox, so that no worker that dies can lose it.
--- @include clock
--- @include fair_queue
--- @include leases
--- @include limiter
--- @include messages
--- @include states
--- @arg lease number: seconds
--- @arg weights object: tenant -> weight, 1 where none is named
--- @arg stages object[]: each with stage; room, messages that its queue may have; queue, the fair queue
---   that its new work waits in; operation, limit and ahead, if its work ends in a call that must have
---   its turn within `ahead` seconds; inbox, whether messages of others become entries of it
--- @returns stage, id, stage, id, ...
-- So many waiting entries are looked at for some that need no call.
local MAX_CHECKED = 200
local at = now()
local dispatched = {}
local function dispatch_entry(stage, id)
  dispatch(stage, id, at, args.lease)
  redis.call('HSET', KEY.dispatched, stage, decimal(at))
  dispatched[#dispatched + 1] = stage
  dispatched[#dispatched + 1] = id
end
-- What is due, the oldest first; of a rate-limited stage only what can soon make its call. Stalled
-- entries go first, for they lie behind all that waits.
local function what_is_due(each, room)
  local stage = each.stage
  local limit = each.operation and MAX_CHECKED or room
  local due = redis.call('ZRANGEBYSCORE', KEY.schedule .. stage, '-inf', decimal(at), 'LIMIT', 0, limit)
  if not each.operation or #due == 0 then return due end
  local live, stalled = live_and_stalled(stage, at)
  local most = inflow(each.operation, live, each.limit, each.ahead, at)
  local chosen, is_chosen, calling = {}, {}, 0
  for _, those in ipairs({stalled, due}) do
    for _, id in ipairs(those) do
      if #chosen == room then return chosen end
      local calls = was_at_transcribe(id)
      if not is_chosen[id] and (not calls or calling < most) then
        chosen[#chosen + 1], is_chosen[id] = id, true
        if calls then calling = calling + 1 end
      end
    end
  end
  return chosen
end
for _, each in ipairs(args.stages) do
  local stage = each.stage
  local room = each.room - redis.call('LLEN', LISTS[stage])
  local new = each.queue and room > 0 and is_anything_waiting(each.queue)
  if room > 0 then
    -- However many are due, as large entries are after a pause, they leave half of the room to new
    -- work. There may be room for one at a time, so chance, the clock's last digit, decides who has it.
    local chance = math.floor(at * 1e6) % 2
    local due = what_is_due(each, new and math.floor((room + chance) / 2) or room)
    for _, id in ipairs(due) do
      local token = redis.call('HGET', KEY.lease .. stage, id)
      if token and token ~= '0' then redis.call('HINCRBY', KEY.stalled .. stage, id, 1) end
      dispatch_entry(stage, id)
    end
    room = room - #due
  end
  if new then
    for _ = 1, room do
      local id = pop_next(each.queue, args.weights)
      if not id then break end
      dispatch_entry(stage, id)
    end
  end
  if each.inbox then
    for _, list in ipairs(INBOX_LISTS) do
      while room > 0 do
        local message = redis.call('RPOP', list)
        if not message then break end
        local number = next_token(at)
        redis.call('SET', KEY.inbox .. number, message)
        dispatch_entry(stage, number)
        room = room - 1
      end
    end
  end
end
return dispatched

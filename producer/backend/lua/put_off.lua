-- Give an entry back, to be due later (or at once); or, with delay '', be done with it.
-- ARGV: stage, id, generation, delay in seconds or '', what was seen of the job for the next to compare
--   with, or ''
-- Returns: 1, or 0 if the caller no longer holds the entry
local stage, id, delay = ARGV[1], ARGV[2], ARGV[4]
if redis.call('HGET', holder(stage), id) ~= ARGV[3] then return 0 end
-- A job may have been started since the poll looked: then there is something to poll for.
if stage == 'poll' and delay == '' and redis.call('EXISTS', P .. 'running') == 1 then delay = '0' end
if stage == 'poll' and delay ~= '' then
  -- Nor has it seen that one.
  local due, at = first_look(), now()
  if due and due > at then delay = math.min(tonumber(delay), due - at) end
end
if delay == '' then
  forget(stage, id)
  if stage == 'submit' then redis.call('DEL', arrival(id)) end
else
  local at = now()
  if ARGV[5] ~= '' then
    redis.call('HSET', job_key(id), 'look.seen', ARGV[5], 'look.at', text(at))
  end
  give_back(stage, id, at + tonumber(delay))
end
return 1

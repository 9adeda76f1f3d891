-- Give an entry back that is large and found no seat: it stands in line for one, by priority and age.
-- ARGV: stage, id, generation
-- Returns: 1, or 0 if the caller no longer holds the entry
-- Who gets up takes the first in line. Should nobody, because a worker died or a new one came, those
-- in line are due by themselves: after so many seconds, and no more than so many in a second.
local LOOK_AFTER, LOOKS = 3, 5
local stage, id = ARGV[1], ARGV[2]
if redis.call('HGET', holder(stage), id) ~= ARGV[3] then return 0 end
local at = now()
local job = redis.call('HMGET', job_key(id), 'state', 'priority')
local since = tonumber(redis.call('HGET', job_key(id), 'at.' .. (job[1] or '')) or at)
redis.call('ZADD', seats(stage), text(since + tonumber(job[2] or '5') * PRIORITY_STEP), id)
give_back(stage, id, at + LOOK_AFTER + redis.call('ZCARD', seats(stage)) / LOOKS)
return 1

-- Give an entry back that is large and found no seat: it stands in line for one, in its tenant's by
-- priority and age.
-- ARGV: stage, id, generation
-- Returns: 1, or 0 if the caller no longer holds the entry
-- Who gets up takes the next in line. Should nobody, because a worker died or a new one came, those
-- in line are due by themselves: after so many seconds, and no more than so many in a second.
local LOOK_AFTER, LOOKS = 3, 5
local stage, id = ARGV[1], ARGV[2]
if redis.call('HGET', holder(stage), id) ~= ARGV[3] then return 0 end
local at = now()
local state = redis.call('HGET', job_key(id), 'state')
local since = tonumber(redis.call('HGET', job_key(id), 'at.' .. (state or '')) or at)
redis.call('ZADD', seats(stage), enter_line(for_seats(stage), id, since), id)
-- Nothing was done, so what is suspected of its workers' deaths stays suspected.
wait_until(stage, id, at + LOOK_AFTER + redis.call('ZCARD', seats(stage)) / LOOKS)
return 1

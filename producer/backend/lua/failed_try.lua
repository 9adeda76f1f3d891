-- Count a try that ended in a way that is no answer, and give the entry back, unless it was the last.
-- What is suspected of its workers' deaths stays suspected.
-- ARGV: stage, id, generation, most tries, delay in seconds
-- Returns: how many tries failed, 0 if the caller no longer holds the entry
local stage, id = ARGV[1], ARGV[2]
if redis.call('HGET', holder(stage), id) ~= ARGV[3] then return 0 end
local failed = redis.call('HINCRBY', tries(stage), id, 1)
if failed < tonumber(ARGV[4]) then wait_until(stage, id, now() + tonumber(ARGV[5])) end
return failed

-- A new attempt of a job that was retried, now that nothing of the last one is there to be fetched.
-- ARGV: id, generation of the collect entry
-- Returns: 1, or 0 if the caller lost its hold
local id = ARGV[1]
if redis.call('HGET', holder('collect'), id) ~= ARGV[2] then return 0 end
forget('collect', id)
start_anew(id, 'COLLECTING', now())
return 1

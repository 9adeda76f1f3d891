-- Say how a recovery ended, and be done with its entry.
-- ARGV: generation, seconds for which the answer is kept, jobs known before, Transcribe jobs of
--   others, why it was given up or ''
-- Returns: 1, or 0 if the caller lost its hold
if redis.call('HGET', holder('recover'), FLEET) ~= ARGV[1] then return 0 end
local key = P .. 'recovery'
forget('recover', FLEET)
redis.call('HSET', key, 'finished_at', text(now()), 'known', ARGV[3], 'foreign', ARGV[4],
  'error', ARGV[5], 'trouble', '')
redis.call('EXPIRE', key, ARGV[2])
redis.call('EXPIRE', key .. ':jobs', ARGV[2])
return 1

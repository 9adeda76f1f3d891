-- Note in a job's record that an upload in parts was begun for it, if the caller still holds the entry.
-- ARGV: stage, id, generation, S3's id of the upload
-- Returns: 1, or 0 if the caller lost its hold
local stage, id = ARGV[1], ARGV[2]
if redis.call('HGET', holder(stage), id) ~= ARGV[3] then return 0 end
redis.call('HSET', job_key(id), 'upload.' .. ARGV[4], '1')
return 1

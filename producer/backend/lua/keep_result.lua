-- Keep a result for producers, if the caller still holds the job: of one that was stopped nothing stays.
-- ARGV: id, generation of the collect entry, seconds for which it is kept, then kind and content of each
--   piece
-- Returns: 1, or 0 if the caller lost its hold
local id = ARGV[1]
if redis.call('HGET', holder('collect'), id) ~= ARGV[2] then return 0 end
redis.call('DEL', kept('text', id), kept('document', id))
for i = 4, #ARGV, 2 do redis.call('SET', kept(ARGV[i], id), ARGV[i + 1], 'EX', ARGV[3]) end
return 1

-- Keep to as many slots as are in use now, for a while: others in the account have the rest.
-- ARGV: seconds
redis.call('SET', P .. 'slots', math.max(1, redis.call('ZCARD', P .. 'running')), 'EX', ARGV[1])

-- Whether anything that is large stands in line for a seat.
-- ARGV: stage
return redis.call('EXISTS', seats(ARGV[1]))

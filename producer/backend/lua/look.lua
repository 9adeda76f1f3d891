-- What is to be known of the running jobs before AWS is asked for them.
-- ARGV: calls of ListTranscriptionJobs a second, as told
-- Returns: seconds since the last one was started, seconds that the quickest took lately ('0' if not
--   known), pages of the list when it was last asked for, calls of it a second, 1 if others have slots
--   that jobs of ours wait for, and id, attempt, id, attempt...
local at = now()
local entries = redis.call('ZRANGE', P .. 'running', 0, -1, 'WITHSCORES')
local youngest, jobs = 0, {}
for i = 1, #entries, 2 do
  local attempt = redis.call('HGET', job_key(entries[i]), 'attempt')
  if attempt then
    jobs[#jobs + 1] = entries[i]
    jobs[#jobs + 1] = attempt
    youngest = at - tonumber(entries[i + 1])
  else
    -- Its record is gone, so its slot is free.
    redis.call('ZREM', P .. 'running', entries[i])
  end
end
local pages = redis.call('GET', P .. 'list_pages') or '1'
local shared = redis.call('SISMEMBER', P .. 'yielding', 'slots') == 1 and is_line('READY')
return {text(math.max(0, youngest)), text(quickest()), pages, text(quota('ListTranscriptionJobs', ARGV[1])),
  shared and 1 or 0, jobs}

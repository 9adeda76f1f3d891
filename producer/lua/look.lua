-- What is to be known of the running jobs before AWS is asked for them.
-- ARGV: number of jobs that must have ended lately for the times that they took to tell anything
-- Returns: seconds since the last one was started, seconds that the quickest took lately ('0' if not
--   known), pages of the list when it was last asked for, and id, attempt, id, attempt...
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
local quickest
local took = redis.call('LRANGE', P .. 'took', 0, -1)
for _, seconds in ipairs(took) do
  quickest = math.min(quickest or math.huge, tonumber(seconds))
end
if #took < tonumber(ARGV[1]) then quickest = 0 end
local pages = redis.call('GET', P .. 'list_pages') or '1'
return {text(math.max(0, youngest)), text(quickest or 0), pages, jobs}

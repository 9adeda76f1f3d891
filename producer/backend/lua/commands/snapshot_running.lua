--- What the poll needs to know of the running jobs before it asks AWS.
--- @include capacity
--- @include clock
--- @include fair_queue
--- @include running
--- @arg list_rate string: calls of ListTranscriptionJobs a second, as a limit
--- @returns seconds since the last one was started, seconds that the quickest of the last took ('0' if
---   not known), pages of the list when it was last asked for, calls of it a second, 1 if other software
---   has slots that jobs of ours wait for, and id, attempt, id, attempt...
local at = now()
local entries = redis.call('ZRANGE', KEY.running, 0, -1, 'WITHSCORES')
local youngest, jobs = 0, {}
for i = 1, #entries, 2 do
  local attempt = redis.call('HGET', KEY.job .. entries[i], 'attempt')
  if attempt then
    jobs[#jobs + 1] = entries[i]
    jobs[#jobs + 1] = attempt
    youngest = at - tonumber(entries[i + 1])
  else
    -- Its record is gone, so its slot is free.
    leave_running(entries[i])
  end
end
local pages = redis.call('GET', KEY.list_pages) or '1'
local is_shared = redis.call('SISMEMBER', KEY.slowed, 'slots') == 1 and is_anything_waiting('READY')
return {decimal(math.max(0, youngest)), decimal(quickest()), pages,
  decimal(quota('ListTranscriptionJobs', args.list_rate)), is_shared and 1 or 0, jobs}

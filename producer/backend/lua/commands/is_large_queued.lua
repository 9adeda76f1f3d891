--- Whether any large entry waits for a concurrency limit.
--- @arg stage string: the stage
return redis.call('EXISTS', KEY.large .. args.stage)

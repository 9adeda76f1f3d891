--- Record that an upload in parts was begun for a job, if the caller still has the lease.
--- @include leases
--- @arg stage string: the entry's stage
--- @arg id string: the job
--- @arg token string: the fencing token
--- @arg upload string: S3's id of the upload
--- @returns 1, or 0 if the caller lost the lease
if not has_lease(args.stage, args.id, args.token) then return 0 end
redis.call('HSET', KEY.job .. args.id, 'upload.' .. args.upload, '1')
return 1

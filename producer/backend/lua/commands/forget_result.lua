--- Forget where the result of a fingerprint is, for it is not there any more.
--- @arg fingerprint string: the fingerprint
--- @arg id string: the job whose result it was
--- @returns 1, or 0 if another job's result is known by now, or none
local key = KEY.identity .. args.fingerprint
local entry = redis.call('GET', key)
if not entry or cjson.decode(entry).job ~= args.id then return 0 end
redis.call('DEL', key)
return 1

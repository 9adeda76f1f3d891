--- Ask the workers for a recovery, unless one is under way.
--- @include clock
--- @include messages
--- @arg lease number: seconds
--- @arg stage string: the stage that looks
--- @arg entry string: its entry
--- @arg id string: of this request
--- @arg names string: the names asked for, as JSON
--- @arg dry_run string: 'yes' or ''
--- @returns the id of the recovery that answers, or '' while another question is answered
if redis.call('ZSCORE', KEY.schedule .. args.stage, args.entry) then
  local asked = redis.call('HMGET', KEY.recovery, 'id', 'names', 'dry_run')
  return asked[2] == args.names and asked[3] == args.dry_run and asked[1] or ''
end
local at = now()
redis.call('DEL', KEY.recovery, KEY.recovered)
redis.call('HSET', KEY.recovery, 'id', args.id, 'names', args.names, 'dry_run', args.dry_run,
  'asked_at', decimal(at))
dispatch(args.stage, args.entry, at, args.lease)
return args.id

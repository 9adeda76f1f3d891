--- Have running jobs that AWS's list lacks collected, for their results may be there. Two kinds are returned
--- instead: those that a worker has looked for in vain since the last list, for only AWS can say how they
--- stand; and those that no worker has come to since, for slots must not wait until collecting catches up.
--- @include clock
--- @include leases
--- @include messages
--- @include running
--- @arg stage string: the stage of the caller's lease
--- @arg id string: the entry of the caller's lease
--- @arg token string: the fencing token
--- @arg ids string[]: all running jobs that the list lacks and that their result shows ended
--- @arg lease number: seconds
--- @returns those to ask AWS for by name; none if the caller lost the lease
if not has_lease(args.stage, args.id, args.token) then return {} end
local stage, at, in_vain, to_ask = STAGE_OF.COLLECTING, now(), {}, {}
for _, id in ipairs(redis.call('SMEMBERS', KEY.missed)) do in_vain[id] = true end
-- What the list has again is at work.
redis.call('DEL', KEY.missed)
for _, id in ipairs(args.ids) do
  if in_vain[id] then note_missed(id) end
  if in_vain[id] or has_lease(stage, id, '0') then
    to_ask[#to_ask + 1] = id
  elseif redis.call('HGET', KEY.job .. id, 'state') == 'TRANSCRIBING'
    and not redis.call('ZSCORE', KEY.schedule .. stage, id) then
    dispatch(stage, id, at, args.lease)
  end
end
return to_ask

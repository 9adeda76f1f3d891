--- Move a job from outside its pipeline, if it may make the move: its owner cancels it, or its deadline has passed.
--- @include clock
--- @include fair_queue
--- @include leases
--- @include states
--- @arg id string: the job
--- @arg to string: the state to enter
--- @arg retention number: seconds that an ended job is kept
--- @arg drops string[]: stages whose entry of the job is removed; other entries stay, and with them the
---   slot that AWS still counts, until their stage has seen how the job ends there
--- @arg cleanup string: the stage that cleans up
--- @arg cleanup_after object: state -> seconds until that is due; after other states it is not, by now
--- @arg fields object: fields of the record
--- @returns 'ok', '' if there is no such job, else the state that forbids it
-- Cleanups that call nobody but S3 go, by so many seconds, before those that wait for Transcribe.
local AHEAD = 1e8
local id, to = args.id, args.to
local state = redis.call('HGET', KEY.job .. id, 'state')
if not state then return '' end
if not MOVES[state][to] then return state end
local at = now()
withdraw(id)
for _, stage in ipairs(args.drops) do remove(stage, id) end
set_fields(id, args.fields)
local delay = args.cleanup_after[state]
if delay == 0 and not was_at_transcribe(id) then delay = -AHEAD end
move(id, state, to, at, {retention = args.retention, steps = {[args.cleanup] = delay}})
return 'ok'

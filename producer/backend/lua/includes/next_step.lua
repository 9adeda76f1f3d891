--- @include fair_queue
--- @include leases
--- @include messages
--- @include running
-- What follows a move of a job, as data:
--   {queue = 'READY'}            it waits in a fair queue; with `first` before all tenants
--   {running = true}             the poll watches it
--   {stage = S}                  a message for the stage is sent at once
--   {stage = S, delay = seconds} the stage is due then
--   {stays = true}               the caller goes on with it, under the same lease
--   {}                           nothing

local function follow(id, step, at, lease)
  if step.running then
    enter_running(id, at)
  elseif step.first then
    requeue_first(id, at)
  elseif step.queue then
    enqueue(step.queue, id, at)
  elseif step.delay then
    wait_until(step.stage, id, at + step.delay)
  elseif step.stage then
    dispatch(step.stage, id, at, lease)
  end
end

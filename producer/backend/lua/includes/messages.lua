--- @include clock
-- A Celery message says "look at this entry now", and decides nothing.

-- Seconds after which a message that no worker has acted on counts as lost. A worker that is killed
-- or stopped while it waits for messages can swallow one. A second message does no harm.
local MESSAGE_EXPIRES_AFTER = 5

-- Dispatch an entry to whichever worker comes first. Should the message get lost, the entry is due
-- again before long.
local function dispatch(stage, id, at, lease)
  redis.call('ZADD', KEY.schedule .. stage, decimal(at + math.min(lease, MESSAGE_EXPIRES_AFTER)), id)
  redis.call('HSET', KEY.lease .. stage, id, '0')
  local tag = stage .. ':' .. id .. ':' .. decimal(at)
  local message = cjson.encode({
    body = '[["' .. id .. '"],{},{}]',
    ['content-type'] = 'application/json',
    ['content-encoding'] = 'utf-8',
    headers = {task = TASKS[stage], id = tag},
    properties = {
      delivery_tag = tag,
      delivery_info = {exchange = '', routing_key = QUEUES[stage]},
    },
  })
  redis.call('LPUSH', LISTS[stage], message)
end

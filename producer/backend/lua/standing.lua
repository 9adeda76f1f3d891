-- What the fleet may use of the account now.
-- ARGV: seconds for which it may be told so, slots of the account as told, then each operation and its
--   calls a second, as told
-- Returns: the same as JSON, then that of which all may be used again
local at = now()
local function refused(what) return tonumber(redis.call('HGET', P .. 'refused', what) or '0') end
local recovered = {}
local function recovers(what)
  if redis.call('SREM', P .. 'yielding', what) == 1 then recovered[#recovered + 1] = what end
end
local ours, all = slots(ARGV[2], at)
if ours >= all then recovers('slots') end
local rates = {}
for i = 3, #ARGV, 2 do
  local operation, told = ARGV[i], ARGV[i + 1]
  local part = share(operation, at)
  if part >= 1 then recovers(operation) end
  rates[#rates + 1] = {operation = operation, quota = quota(operation, told), permits = (permits(operation, told, at)),
    share = math.floor(part * 100 + 0.5) / 100, refused = refused(operation)}
end
local standing = cjson.encode({slots = ours, quota = all, rates = rates, refused = refused('slots'),
  others = tonumber(redis.call('GET', P .. 'others') or '0'),
  measured = redis.call('EXISTS', P .. 'quotas') == 1})
redis.call('SET', P .. 'standing', standing, 'EX', ARGV[1])
return {standing, unpack(recovered)}

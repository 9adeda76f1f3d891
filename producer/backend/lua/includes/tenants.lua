-- Whose a job is. Jobs without a tenant are one tenant, ''.

local function tenant_of(id)
  return redis.call('HGET', KEY.job .. id, 'tenant') or ''
end

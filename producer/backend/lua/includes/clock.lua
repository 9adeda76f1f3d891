-- Time is Redis's own, so clocks of producers and workers need not agree.

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
end

local function decimal(number) return string.format('%.6f', number) end

--- Try which commands and keys Redis lets us use, without an effect on anything.
--- @arg commands string[]: the commands
--- @arg keys string[]: one key of each kind
--- @returns what Redis said of each that it refuses: command or key, error, command or key, error, ...
local key = KEY.access
local refused = {}
local function try(what, ...)
  local answer = redis.pcall(...)
  local said = type(answer) == 'table' and answer.err
  if said then refused[#refused + 1], refused[#refused + 2] = what, said end
  return said or ''
end
local function try_command(name)
  -- On a key of another type a command changes nothing, but Redis checks the right to call it.
  redis.pcall('SET', key, '', 'EX', '60')
  local words = {name}
  for _ = 0, 5 do
    local before = #refused
    local said = try(name, unpack(words))
    if not string.find(string.lower(said), 'wrong number of arg') then return end
    refused[before + 1], refused[before + 2] = nil, nil
    words[#words + 1] = #words == 1 and key or '1'
  end
end
-- Commands need a key to be tried on, so keys come first.
for _, each in ipairs(args.keys) do
  try(each, 'EXISTS', each)
  try(each, 'PERSIST', each)
end
if #refused > 0 then return refused end
for _, each in ipairs(args.commands) do try_command(each) end
redis.pcall('DEL', key)
return refused

-- Read entities and, in the same round trip, the entities that their own values name.
--
-- KEYS  addresses of the entities asked for
-- ARGV  the project's name; own fields, of which the first hold Feast values that name others;
--       then for each kind of entity to follow: its address's prefix, the places (in own fields)
--       of the values that name it, and its fields. A list is its length and then its items.
--
-- Replies with a list: the own fields of each key, then the fields of each entity followed, in
-- the order of need, each address once. A field that is not there is nil.

local at = 1
local function take()
  at = at + 1
  return ARGV[at - 1]
end
local function take_list()
  local items = {}
  for i = 1, tonumber(take()) do items[i] = take() end
  return items
end

-- The text of a Feast value: protobuf field 2, its size as a varint, its bytes.
local function text(value)
  if not value or value:byte(1) ~= 0x12 then return nil end
  local first = 2
  while value:byte(first) >= 128 do first = first + 1 end
  return value:sub(first + 1)
end

local project = take()
local own = take_list()
local followed = {}
while at <= #ARGV do
  followed[#followed + 1] = {prefix = take(), places = take_list(), fields = take_list()}
end

local replies = {}
for i, key in ipairs(KEYS) do replies[i] = redis.call('HMGET', key, unpack(own)) end

local seen = {}
for i = 1, #KEYS do
  for _, kind in ipairs(followed) do
    local parts = {kind.prefix}
    for _, place in ipairs(kind.places) do
      local part = text(replies[i][tonumber(place)])
      if not part then parts = nil break end
      parts[#parts + 1] = struct.pack('<I4I4', 2, #part) .. part
    end
    if parts then
      local address = table.concat(parts) .. project
      if not seen[address] then
        seen[address] = true
        replies[#replies + 1] = redis.call('HMGET', address, unpack(kind.fields))
      end
    end
  end
end
return replies

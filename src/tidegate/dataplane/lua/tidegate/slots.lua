-- Small records in memory shared by all workers, each found by a name: what balancers change at every request.
--
-- Nothing is locked. Two workers that write one record at once may lose a step of one of them, which costs one request an
-- endpoint that is not its turn; two that claim one free record at once share it until one of them looks again.

local ffi = require "ffi"
local memory = require "tidegate.memory"

local crc32 = ngx.crc32_long
local band, tobit = bit.band, bit.tobit
local cast, typeof, sizeof = ffi.cast, ffi.typeof, ffi.sizeof

local WINDOW = 16           -- records looked at for a name

local _M = {}
local mt = { __index = _M }


-- Make (or, after a reload, find) an array of records. The type is a struct whose first field is `int32_t tag`; `count` is
-- a power of two. `stalest`, if given, says of a record how long ago it was used: the longest unused of a full window is
-- taken over.
function _M.array(name, struct, count, stalest)
    local bytes = sizeof(struct) * count
    local array = cast(typeof("$ *", typeof(struct)), memory.shared("slots/" .. name .. "/" .. bytes, bytes))
    return setmetatable({ array = array, mask = count - 1, stalest = stalest }, mt)
end


local function tag_of(name)
    local tag = tobit(crc32(name .. "\1"))
    return tag == 0 and 1 or tag
end


local function oldest(self, home)
    local array, mask, stalest = self.array, self.mask, self.stalest
    local found, age = nil, -1
    for step = 0, WINDOW - 1 do
        local slot = array + band(home + step, mask)
        if stalest(slot) > age then
            found, age = slot, stalest(slot)
        end
    end
    return found
end


-- Pointer to the record of a name, and whether it is new; nil if there is no room.
function _M.find(self, name)
    local array, mask = self.array, self.mask
    local home, tag = crc32(name), tag_of(name)
    for step = 0, WINDOW - 1 do
        local slot = array + band(home + step, mask)
        if slot.tag == tag then
            return slot, false
        elseif slot.tag == 0 then
            slot.tag = tag
            return slot, true
        end
    end
    local slot = self.stalest and oldest(self, home)
    if slot then
        slot.tag = tag
    end
    return slot, slot ~= nil
end


-- Give the record of a name back.
function _M.free(self, name)
    local array, mask = self.array, self.mask
    local home, tag = crc32(name), tag_of(name)
    for step = 0, WINDOW - 1 do
        local slot = array + band(home + step, mask)
        if slot.tag == tag then
            slot.tag = 0
        end
    end
end


return _M

-- Where round robin stands: one cursor for each backend, shared by all workers, so that their requests together are even.
--
-- Beside it stands whether something is known against endpoints of the backend: requests load the cursor anyway.
--
-- With a cursor of its own for each worker, a backend with more endpoints than requests would be asked as chance has it.
-- A new cursor starts at a random endpoint: many gateways that start at once would all ask the first one.

local ffi = require "ffi"
local slots = require "tidegate.slots"

local random = math.random

ffi.cdef [[
typedef struct {
    int32_t tag; volatile int32_t last;
    volatile int32_t down, changes;         /* see endpoints/states.lua */
} tidegate_cursor;
]]

local COUNT = 32768         -- half a megabyte: places are scattered, so all of it is soon in use

local shared = slots.array("cursors", "tidegate_cursor", COUNT)
local pointer_to = ffi.typeof("tidegate_cursor *")
local own = {}              -- cursors of this worker alone, if the shared ones are used up

local _M = {}


local function own_cursor(id)
    own[id] = own[id] or ffi.new("tidegate_cursor[1]")
    return ffi.cast(pointer_to, own[id]), true
end


-- Cursor of a backend: `last` is the number of the endpoint that had the last request, from 1.
function _M.of(id, count)
    local cursor, is_new = shared:find(id)
    if not cursor then
        is_new = not own[id]
        cursor = own_cursor(id)
    end
    if is_new then
        cursor.last = random(0, count)
        cursor.down, cursor.changes = 0, 0
    end
    return cursor
end


-- Forget the cursor of a backend that is gone.
function _M.free(id)
    shared:free(id)
    own[id] = nil
end


return _M

-- Memory shared by the master and all its workers, old and new, for facts that requests ask for at the price of a plain load
-- instead of a locked look-up in a shared dict.
--
-- The master maps each piece once and keeps its address in a shared dict; a reload finds it there, and every worker inherits
-- the mapping at that address.

local ffi = require "ffi"

local control = ngx.shared.tidegate_control

ffi.cdef [[
void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
]]

local READ_WRITE = 3
local SHARED_ANONYMOUS = 0x21

local failed = ffi.cast("void *", -1)

local _M = {}


local function map(name, bytes)
    local memory = ffi.C.mmap(nil, bytes, READ_WRITE, SHARED_ANONYMOUS, -1, 0)
    if memory == failed then
        error("no memory to share for " .. name)
    end
    control:set(name, tonumber(ffi.cast("uintptr_t", memory)))
    return memory
end


-- Zeroed memory of a name; pages that nobody touches cost nothing. To be asked for while the master loads its modules; the
-- name must change with the layout, for a reload may bring newer code to older memory.
function _M.shared(name, bytes)
    local address = control:get(name)
    return address and ffi.cast("void *", ffi.cast("uintptr_t", address)) or map(name, bytes)
end


return _M

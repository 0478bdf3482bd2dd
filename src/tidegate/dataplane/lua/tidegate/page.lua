-- One page of memory shared by the master and all its workers, old and new: facts that every request asks for, at the price
-- of a plain load instead of a locked look-up in a shared dict.
--
-- The master maps it once and keeps the address in a shared dict; a reload finds it there, and every worker inherits the
-- mapping at that address. Aligned doubles are written and read whole on the processors that nginx runs on.

local ffi = require "ffi"

local control = ngx.shared.tidegate_control

ffi.cdef [[
void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
typedef struct { volatile double version; volatile double draining; } tidegate_page;
]]

local PAGE = 4096
local READ_WRITE = 3
local SHARED_ANONYMOUS = 0x21
local ADDRESS = "page"

local failed = ffi.cast("void *", -1)


local function map()
    local memory = ffi.C.mmap(nil, PAGE, READ_WRITE, SHARED_ANONYMOUS, -1, 0)
    if memory == failed then
        error("no memory for the shared page")
    end
    control:set(ADDRESS, tonumber(ffi.cast("uintptr_t", memory)))
    return memory
end


local function find()
    local address = control:get(ADDRESS)
    return address and ffi.cast("void *", ffi.cast("uintptr_t", address)) or map()
end


return ffi.cast("tidegate_page *", find())

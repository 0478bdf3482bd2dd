-- One page of memory shared by the master and all its workers: facts that every request asks for. Aligned doubles are
-- written and read whole on the processors that nginx runs on.

local ffi = require "ffi"
local memory = require "tidegate.memory"

ffi.cdef [[
typedef struct { volatile double version; volatile double draining; } tidegate_page;
]]

local PAGE = 4096


return ffi.cast("tidegate_page *", memory.shared("page", PAGE))

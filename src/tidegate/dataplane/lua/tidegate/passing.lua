-- Connections that a worker has accepted, and that are to be passed to another of its servers, while the worker leaves.
--
-- A worker that is told to finish closes its listening sockets and empties their list. `pass` looks its target up in that
-- list, so a client whose ClientHello is still on its way would be cut at every reload. The list's items stay in memory
-- until the worker ends; so once it leaves, its length is put back. Nothing else reads the list then.

local ffi = require "ffi"
local peers = require "tidegate.peers"

local C = ffi.C
local tonumber = tonumber

local LONGEST = 65536           -- listeners that a configuration can have

local _M = {}

local count                     -- listeners while the worker served


local function list()
    return C.ngx_cycle.listening
end


-- In each worker, before it accepts.
function _M.remember()
    local found = peers.is_known() and list()
    -- Where the layout is not as expected, these would not agree.
    if not found or found.pool ~= C.ngx_cycle.pool or found.room < found.count or found.count > LONGEST then
        ngx.log(ngx.EMERG, "a reload may cut connections that come in: nginx's memory is not as expected")
        return
    end
    count = tonumber(found.count)
end


-- When the worker leaves, after it has closed its listening sockets.
function _M.restore()
    local found = count and list()
    if found and found.count == 0 then
        found.count = count
    end
end


return _M

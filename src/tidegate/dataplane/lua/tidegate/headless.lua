-- Answers without a status line: nginx takes them for HTTP/0.9, passes their bytes on as they are and keeps the client's
-- connection. What a backend sends so could be taken for the answer to the next request on it; so the connection ends here.
-- Interim answers (1xx), which nginx takes for final ones, are of the same kind. Their clients have been told of a 502 by
-- then, and of the end of the connection (render/_interim.py); this makes it true.
--
-- The Lua module has nothing for that. The file descriptor is read from nginx's own structures, whose first fields have been
-- the same for as long as there is nginx; which nginx this runs with is known (see dataplane/install).

local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local get = require("tidegate.variables").get

local find = string.find

local HTTP_0_9 = 9      -- the status that nginx gives such an answer
local SWITCHING = 101
local BOTH_WAYS = 2

ffi.cdef [[
typedef struct { void *data, *read, *write; int fd; } tidegate_connection;
typedef struct { uint32_t signature; tidegate_connection *connection; } tidegate_request;
int shutdown(int fd, int how);
]]
local request_type = ffi.typeof("tidegate_request *")

local SIGNATURE = 0x50545448    -- "HTTP"

local _M = {}


local function is_none(status)
    return status == HTTP_0_9 or status >= 100 and (status ~= SWITCHING or not get "http_upgrade")
end


-- Log phase, of requests whose status is below 200.
function _M.finish(status)
    -- A connection of HTTP/3 has the descriptor of its listener.
    if not is_none(status) or not find(get "server_protocol" or "", "^HTTP/1") then
        return
    end
    local request = ffi.cast(request_type, get_request())
    if request.signature == SIGNATURE then
        ffi.C.shutdown(request.connection.fd, BOTH_WAYS)
    end
end


return _M

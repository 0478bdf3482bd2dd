-- Where the set phase leaves the host and the route of a request for its log phase: a place by the request's address, at
-- the price of three stores. Two requests may have one place; the later one has it then.

local ffi = require "ffi"

local PLACES = 2048

local _M = {
    MASK = PLACES - 1,
    GRAIN = 1 / 16,         -- requests lie at multiples of 16
    requests = ffi.new("double[?]", PLACES),
    routes = {}, hosts = {},
}

for at = 0, PLACES - 1 do
    _M.routes[at], _M.hosts[at] = false, false
end


return _M

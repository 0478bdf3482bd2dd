-- Endpoints that a request has tried already, asked only when a try has failed.

local get = require("tidegate.variables").get

local gmatch = string.gmatch

local _M = {}


-- Set of "address:port", as nginx tells of the tries so far; other upstreams' too, after an internal redirect.
function _M.names()
    local names = {}
    for name in gmatch(get "upstream_addr" or "", "[^, ]+") do
        names[name] = true
    end
    return names
end


return _M

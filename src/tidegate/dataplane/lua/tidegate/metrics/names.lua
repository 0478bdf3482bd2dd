-- What a cell of counts is called: keys of the directory that workers share, and labels for the exporter.

local entries = require "tidegate.entries"

local gsub, match, sub = string.gsub, string.match, string.sub
local tostring = tostring

local SEPARATOR = "\1"

local _M = {}


function _M.class(status)
    return status >= 100 and status < 600 and (status - status % 100) / 100 .. "xx" or "0xx"
end


local function entry_of(route)
    return route.id ~= "" and entries.read("r/" .. route.id) or {}
end


-- Key of a cell. A route that changes what it is called has other cells from then on.
function _M.key(route, host, method, status, canary)
    local entry = entry_of(route)
    return table.concat({
        route.id, host, method, status, canary, entry.svc or "", entry.path or "",
    }, SEPARATOR)
end


function _M.route_of_key(key)
    return match(key, "^[^\1]*")
end


-- Class of the status of a full key.
function _M.class_of_key(key)
    local status = match(key, "^[^\1]*\1[^\1]*\1[^\1]*\1([^\1]*)")
    return sub(status, 1, 1) .. "xx"
end


function _M.labels(route, host, method, status, canary)
    local entry = entry_of(route)
    return {
        namespace = entry.ns or "",
        ingress = entry.ing or "",
        service = entry.svc or "",
        path = entry.path or "",
        host = host,
        method = method,
        status = tostring(status),
        canary = gsub(canary, "/", "-"),
    }
end


return _M

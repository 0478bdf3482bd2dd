-- Names of hosts.

local find, lower, sub = string.find, string.lower, string.sub

local _M = {}


-- The wildcard host that a name may belong to (one label for the star, reference g.4), or nil.
function _M.wildcard(name)
    local dot = find(name, ".", 1, true)
    return dot and "*" .. sub(name, dot)
end


-- A server name as hosts are written: lower case, without a final dot; nil for none.
function _M.normal(name)
    if not name then
        return nil
    end
    name = lower(name)
    return sub(name, -1) == "." and sub(name, 1, -2) or name
end


return _M

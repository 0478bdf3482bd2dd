-- Names of hosts.

local find, sub = string.find, string.sub

local _M = {}


-- The wildcard host that a name may belong to (one label for the star, reference g.4), or nil.
function _M.wildcard(name)
    local dot = find(name, ".", 1, true)
    return dot and "*" .. sub(name, dot)
end


return _M

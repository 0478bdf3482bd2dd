-- `affinity`: the path of the session cookie that a route may issue. Used in the balancer phase, and only where the
-- backend has affinity; sessions.lua does the rest.

local _M = {}


function _M.prepare(get, plan, entry)
    if get "affinity" then
        plan.cookie_path = entry.path
    end
end


return _M

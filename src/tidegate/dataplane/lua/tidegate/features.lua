-- What a route can do besides passing a request on. Each feature is one module with a `prepare(get, route)`, called once
-- when the route is decoded; `get` gives a data setting: the route's override, else the global value. It may give a step:
-- a function (route, host, is_tls, entries) that runs for each request of that route and gives the location that answers,
-- or nil to go on. A request pays for the steps of its own route only.
--
-- The order is that in which ingress-nginx takes its decisions (reference g.9): early steps come before "no endpoints".

local EARLY = {
    require "tidegate.features.deny",
    require "tidegate.features.redirect",
    require "tidegate.features.https",
}
local LATE = {
    require "tidegate.features.allow",
    require "tidegate.features.rewrite",
    require "tidegate.features.vhost",
    require "tidegate.features.timeouts",
}

local ipairs = ipairs

local _M = {}


local function collect(modules, get, route)
    local steps = {}
    for _, feature in ipairs(modules) do
        steps[#steps + 1] = feature.prepare(get, route)
    end
    return steps
end


function _M.prepare(route, globals)
    local overrides = route.entry.o or {}
    local function get(key)
        local value = overrides[key]
        if value == nil then
            value = globals[key]
        end
        return value
    end
    route.early = collect(EARLY, get, route)
    route.late = collect(LATE, get, route)
end


return _M

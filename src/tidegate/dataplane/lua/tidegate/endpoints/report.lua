-- What is known against endpoints, for people and for metrics: backends with any endpoint in trouble, and why.

local routes = require "tidegate.routes"
local states = require "tidegate.endpoints.states"
local views = require "tidegate.endpoints.views"

local dict = ngx.shared.tidegate_health
local ipairs = ipairs

local _M = {}


local function of_endpoint(id, name, is_down)
    local met, found = states.get(states.TRAFFIC, id, name), states.get(states.CHECK, id, name)
    if not met and not found then
        return nil
    end
    met = met or {}
    return {
        passed_over = is_down,
        traffic = met.kind,
        since = met.since or found and found.since,
        next_try = met.kind and met.till or nil,
        failures = met.failures,
        times = met.times or met.looks,
        check = found and found.why or nil,
    }
end


local function of_backend(backend)
    local view, endpoints = views.of(backend), {}
    local any = false
    for at = 1, backend.count do
        local name = backend.peers[2 * at - 1] .. ":" .. backend.peers[2 * at]
        endpoints[name] = of_endpoint(backend.id, name, view.down[name] or false)
        any = any or endpoints[name] ~= nil
    end
    return any and { panic = view.panic, count = backend.count, endpoints = endpoints } or nil
end


-- `backends`: id -> { panic, count, endpoints: name -> { passed_over, traffic, since, next_try, failures, times, check } };
-- `counts`: what happened since the start; `leader`: pid of the worker that makes the checks.
function _M.all()
    local backends, in_panic = {}, 0
    for _, id in ipairs(states.backends()) do
        local backend = routes.current(id)
        local found = backend.count > 0 and of_backend(backend)
        if found then
            backends[id] = found
            in_panic = in_panic + (found.panic and 1 or 0)
        end
    end
    return { backends = backends, panic = in_panic, leader = dict:get "leader", counts = states.counts() }
end


-- How many backends are in panic.
function _M.in_panic()
    return _M.all().panic
end


return _M

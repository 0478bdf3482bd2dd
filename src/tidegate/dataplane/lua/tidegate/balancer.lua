-- The balancer phase: the next endpoint of the route's backend. "No endpoints" was answered before: leaving this phase by
-- anything but a peer ends the request badly.

local balancer = require "ngx.balancer"
local entries = require "tidegate.entries"
local routes = require "tidegate.routes"
local router = require "tidegate.router"
local canary = require "tidegate.canary"
local sessions = require "tidegate.sessions"
local tried_names = require("tidegate.tried").names

local get = require("tidegate.variables").get
local set_current_peer = balancer.set_current_peer
local set_more_tries = balancer.set_more_tries
local set_timeouts = balancer.set_timeouts
local get_last_failure = balancer.get_last_failure

-- A peer that refuses at once: discard port of the loopback interface.
local NOBODY, NOBODY_PORT = "127.0.0.1", 9

local _M = {}


local function backend_of(route)
    local backend = route.backend
    if not backend or backend.balance then
        -- Primary or canary was decided in the set phase.
        local id = get "tg_backend" or ""
        backend = id ~= "" and routes.backend(id) or backend
    end
    return backend
end


-- Round robin.
local function pick(backend)
    local cursor = backend.cursor
    local at = cursor.last + 1
    if at > backend.count then
        at = 1
    end
    cursor.last = at
    return at
end


-- Any other choice, on later tries too; nil if no endpoint may have the request.
local function pick_specially(route, backend, has_failed)
    local tried = has_failed and tried_names() or nil
    local affinity = canary.affinity(route.backend or backend, backend)
    if affinity then
        return sessions.pick(affinity, backend, tried, route.plan.cookie_path)
    elseif backend.count > 0 then
        local balance = backend.balance
        return (balance and balance.pick or pick)(backend, tried)
    end
end


local function connect(backend, at)
    local peers = backend.peers
    local ok, err = set_current_peer(peers[2 * at - 1], peers[2 * at])
    if not ok then
        ngx.log(ngx.ERR, "endpoint ", peers[2 * at - 1], " of ", backend.id, ": ", err)
    end
end


local function prepare_first_try(plan, backend)
    local more = plan.more_tries
    if more < 0 then
        more = backend.count - 1
    end
    if more > 0 then
        set_more_tries(more)
    end
    local timeouts = plan.timeouts
    if timeouts then
        set_timeouts(timeouts[1], timeouts[2], timeouts[3])
    end
end


-- The general way: a later try, a request whose body was read meanwhile, a canary.
local function balance()
    local route = routes.route(get "tg_route")
    local backend = backend_of(route)
    if backend and backend.epoch ~= entries.epoch then
        routes.load_backend(backend)
    end
    local has_failed = get_last_failure()
    local at = backend and pick_specially(route, backend, has_failed)
    if not at then
        -- The last endpoint went while the body was read, or between two tries.
        set_current_peer(NOBODY, NOBODY_PORT)
        return
    end
    if not has_failed then
        prepare_first_try(route.plan, backend)
    end
    connect(backend, at)
end


function _M.run()
    entries.follow()
    local route = router.take()
    if not route or route.backend.count <= 0 then
        return balance()
    end
    prepare_first_try(route.plan, route.backend)
    connect(route.backend, pick(route.backend))
end


return _M

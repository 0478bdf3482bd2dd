-- The balancer phase: the next endpoint of the route's backend. "No endpoints" was answered before: leaving this phase by
-- anything but a peer ends the request badly.

local balancer = require "ngx.balancer"
local entries = require "tidegate.entries"
local routes = require "tidegate.routes"
local router = require "tidegate.router"
local canary = require "tidegate.canary"
local pools = require "tidegate.pools"
local sessions = require "tidegate.sessions"
local tries = require "tidegate.tries"
local apply_timeouts = require("tidegate.lasting").apply

local get = require("tidegate.variables").get
local set_current_peer = balancer.set_current_peer
local set_more_tries = balancer.set_more_tries
local pooled = pools.connect
local exit = ngx.exit
local get_last_failure = balancer.get_last_failure

-- nginx's NGX_BUSY: no endpoint may have the request, which is answered 502.
local NOBODY = -3

-- Protocols that are spoken over TLS, the last if the client's is.
local TLS = { https = true, grpcs = true, auto_http = true }

local _M = {}


-- A canary, or what stands in for a backend, was decided before.
local function backend_of(route)
    local id = get "tg_backend" or ""
    return id ~= "" and routes.backend(id) or route.backend
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
local function pick_specially(route, backend, tried)
    local affinity = canary.affinity(route.backend or backend, backend)
    if affinity then
        return sessions.pick(affinity, backend, tries.to_avoid(backend, tried), route.plan.cookie_path)
    elseif backend.count > 0 then
        local balance = backend.balance
        return tries.choose(backend, balance and balance.pick or pick, tried, route.plan.tries_once)
    end
end


-- The first try may use a connection that was kept; a later one gets its own, for others kept may be as dead as the first.
local function connect(backend, at, is_first, tls_name)
    local peers = backend.peers
    local address, port = peers[2 * at - 1], peers[2 * at]
    local ok, err
    if is_first then
        ok, err = pooled(backend, address, port, tls_name)
    else
        ok, err = set_current_peer(address, port)
    end
    if not ok then
        ngx.log(ngx.ERR, "endpoint ", address, " of ", backend.id, ": ", err)
    end
end


local function more_tries(plan, backend)
    local more = plan.more_tries
    return more < 0 and backend.count - 1 or more
end


local function prepare_first_try(plan, backend)
    local more = more_tries(plan, backend)
    if more > 0 then
        set_more_tries(more)
    end
    local timeouts = plan.timeouts
    if timeouts then
        apply_timeouts(timeouts)
    end
end


-- The endpoint of a later try, or nil if there may be none.
local function pick_again(route, backend)
    local tried = tries.learn(backend)
    local plan = route.plan
    if not plan.tries_once or tries.may_go_on(more_tries(plan, backend)) then
        return pick_specially(route, backend, tried)
    end
end


-- The general way: a later try, a request whose body was read meanwhile, a canary, endpoints that are down.
local function balance(route)
    route = route or routes.route(get "tg_route")
    local backend = backend_of(route)
    if backend and backend.epoch ~= entries.epoch then
        routes.load_backend(backend)
    end
    local has_failed = get_last_failure()
    local at = backend and (has_failed and pick_again or pick_specially)(route, backend)
    if not at then
        -- The last endpoint went while the body was read, or between two tries; or there may be no other try.
        return exit(NOBODY)
    end
    if not has_failed then
        prepare_first_try(route.plan, backend)
    end
    connect(backend, at, not has_failed, TLS[route.plan.protocol] and (get "tg_ssl_name" or ""))
end


function _M.run()
    entries.follow()
    local route = router.take()
    if not route or route.backend.count <= 0 or route.backend.cursor.down ~= 0 then
        return balance(route)
    end
    prepare_first_try(route.plan, route.backend)
    connect(route.backend, pick(route.backend), true)
end


return _M

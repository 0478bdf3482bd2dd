-- The set phase of the entry servers: decides which route a request takes and what happens to it.
--
-- The answer is the route's id, kept in $tg_route for the later phases. Whatever is not plain proxying leaves the name of a
-- named location in $tg_jump, to which nginx then goes. The common case must stay short: one table look-up for the host,
-- one for the path, no calls that the JIT cannot compile, nothing allocated.

local ffi_cast = require("ffi").cast
local get_request = require("resty.core.base").get_request
local entries = require "tidegate.entries"
local certificates = require "tidegate.certificates"
local hosts = require "tidegate.hosts"
local handed = require "tidegate.metrics.handed"
local routes = require "tidegate.routes"
local client_tls = require "tidegate.client_tls"
local conditions = require "tidegate.conditions"
local canary = require "tidegate.canary"
local errors = require "tidegate.errors"
local doubts = require "tidegate.doubts"
local hop = require "tidegate.hop"
local lasting = require "tidegate.lasting"
local lookup = require("tidegate.paths").lookup
local get = require("tidegate.variables").get
local conf = require "tidegate.settings"
local assign_id = require("tidegate.request_id").assign

local band, tobit = require("bit").band, require("bit").tobit
local handed_requests, handed_routes, handed_hosts = handed.requests, handed.routes, handed.hosts
local MASK, GRAIN = handed.MASK, handed.GRAIN

local var = ngx.var
local tonumber = tonumber

local NOTHING = { id = "" }
local DEFAULT_PROFILE = "@p_"
local STREAM = "@stream"    -- the same with other timeouts
local DRAIN = "@drain"      -- ends keepalive, then goes where $tg_jump_on says

local _M = {}

-- The last request that took the short way in this worker, by address, and its route: the balancer phase of a request
-- without a body follows in the same turn of the event loop and need not look the route up again. Every request passes the
-- set phase, so an address that is used again has been written again.
local last_request, last_route = 0, nil


-- Go to a named location instead of the entry location.
local function jump(route, location)
    if entries.draining then
        var.tg_jump_on = location
        location = DRAIN
    end
    var.tg_jump = location
    return route.id
end


-- End a request with one of the gateway's own answers.
local function answer(route, location)
    return jump(route, errors.instead(route, location))
end


local own_answers = {}


function own_answers.healthz()
    return jump(NOTHING, "@healthz")
end


-- nginx's own answer to a directory asked for without its slash (reference g.1).
function own_answers.add_slash(host)
    local query, path = var.args, var.uri .. "/"
    local target = lookup(host, path)
    local is_relative = target and target.id ~= "" and routes.route(target.id).plan.is_relative
    local start = is_relative and "" or var.scheme .. "://" .. (var.http_host or var.host)
    var.tg_location = start .. path .. (query and "?" .. query or "")
    return answer(NOTHING, "@r301")
end


function own_answers.bad_request()
    return answer(NOTHING, "@e400")
end


local function run(steps, host, is_tls)
    for i = 1, #steps do
        local location = steps[i](host, is_tls)
        if location then
            var.tg_why = steps.names[i]     -- for the access log
            return location
        end
    end
end


local function is_too_large(plan)
    local limit = plan.body_limit
    local length = limit > 0 and tonumber(var.content_length)
    return length and length > limit
end


-- Everything that the short way does not cover. The body limit is judged here because a jump to a named location passes
-- the place where nginx judges it; bodies without a length are judged by nginx as they are read.
local function decide(route, host, is_tls)
    -- One before it, at the same address, may have ended before its balancer phase.
    last_request = 0
    if host.client then
        local location
        route, location = client_tls.enter(route, host, is_tls)
        if location then
            return answer(NOTHING, location)
        end
    end
    if route and route.choices then
        route = conditions.choose(route.choices)
    end
    if route and route.answer then
        return own_answers[route.answer](host)
    end
    route = route or hosts.fallback(host)
    if not route or (route.epoch ~= entries.epoch and not routes.load_route(route)) then
        return answer(NOTHING, "@e404")
    end
    local plan = route.plan
    local location = run(plan.early, host, is_tls)
    if location then
        return answer(route, location)
    end
    local backend = route.backend
    if not backend then
        return answer(route, "@e404")
    end
    if backend.epoch ~= entries.epoch then
        routes.load_backend(backend)
    end
    if backend.balance and backend.balance.canary then
        backend = canary.choose(backend)
        var.tg_backend = backend.id
    end
    local profile = plan.profile
    if backend.count == 0 and not canary.can_answer(route.backend, backend) then
        backend = errors.stand_in(route)
        if not backend then
            return answer(route, "@e503")
        end
        var.tg_backend = backend.id
        if plan.protocol then
            profile = DEFAULT_PROFILE
        end
    end
    location = run(plan.late, host, is_tls)
    if location then
        return answer(route, location)
    end
    if plan.profile and is_too_large(plan) then
        return answer(route, "@e413")
    end
    if profile or plan.has_own_host or entries.draining then
        hop.strip()
        return jump(route, profile or (lasting.is_one() and STREAM or DEFAULT_PROFILE))
    end
    return route.id
end


local function address()
    return tonumber(ffi_cast("uintptr_t", get_request()))
end


-- Leave a request of the short way to its later phases.
local function hand_over(route, host)
    local request = address()
    last_request, last_route = request, route
    local at = band(tobit(request * GRAIN), MASK)
    handed_requests[at], handed_routes[at], handed_hosts[at] = request, route, host
end


local function find_route()
    if conf.makes_request_ids then
        assign_id()
    end
    entries.follow()
    local name, uri = get "host", get "uri"
    local host = hosts.find(name, uri)
    local route = lookup(host, uri)
    if host.guarded or name ~= get "http_host" then
        route = doubts.settle(name, host, uri, route)
    end
    return route, host
end


local function is_open(route)
    local backend = route.backend
    return backend and backend.count > 0 and not backend.balance
end


-- Set phase of the plain port.
function _M.http()
    local route, host = find_route()
    if route and route.epoch == entries.epoch then
        local plan = route.plan
        local is_fast = plan.fast or (plan.fast_without_tls and not certificates.is_tls(host))
        if is_fast and is_open(route) then
            hand_over(route, host)
            return route.id
        end
    end
    return decide(route, host, false)
end


-- Set phase of the TLS port.
function _M.https()
    local route, host = find_route()
    if route and route.epoch == entries.epoch and route.plan.fast_tls and is_open(route) then
        hand_over(route, host)
        return route.id
    end
    return decide(route, host, true)
end


-- Route of a request that took the short way just now, once; else nil.
function _M.take()
    if last_request == address() then
        last_request = 0
        return last_route
    end
end


return _M

-- Error answers: a request that ends with an error status goes where its client can make use of it.
--
-- Errors that the router decides leave by a location of their own (`@e404` …), which costs no Lua. Those that nginx makes
-- itself or holds back from a backend, and whatever needs more than nginx's own page, come to location @error, where `run`
-- decides: gRPC calls get a gRPC answer; statuses for which the route has pages go to the default backend (reference
-- f.4), through location @page; everything else gets nginx's own page.

local canary = require "tidegate.canary"
local entries = require "tidegate.entries"
local grpc = require "tidegate.grpc"
local hop = require "tidegate.hop"
local routes = require "tidegate.routes"
local tries = require "tidegate.tries"
local get = require("tidegate.variables").get

local req = ngx.req
local var = ngx.var
local sub = string.sub
local tonumber = tonumber

local ERROR, PAGE = "@error", "@page"
local RETRY_AFTER = 5       -- seconds; as location @e503 says
local BAD_GATEWAY, UNAVAILABLE = 502, 503

local _M = {}


local function usable(id)
    if not id then
        return nil
    end
    local backend = routes.backend(id)
    if backend.epoch ~= entries.epoch then
        routes.load_backend(backend)
    end
    return backend.count > 0 and backend or nil
end


-- Backend that has a page for an error of a route, or nil.
local function page_of(route, code)
    local errors = route.plan and route.plan.errors
    if errors and errors.codes[code] then
        return usable(errors.own) or usable(errors.common)
    end
end


-- Set phase: the location for an answer (`@e404`, `@r308` …) in the place of which something else may be due.
function _M.instead(route, location)
    local code = tonumber(sub(location, 3))
    if grpc.is_call() or (code >= 400 and page_of(route, code)) then
        var.tg_code = code
        return ERROR
    end
    return location
end


local function name_route(id, code)
    local namespace, ingress, service, port = routes.names(id)
    req.set_header("X-Code", code)
    req.set_header("X-Format", get "http_accept")
    req.set_header("X-Namespace", namespace)
    req.set_header("X-Ingress-Name", ingress)
    req.set_header("X-Service-Name", service)
    req.set_header("X-Service-Port", port)
end


-- Set phase: the backend that takes a request whose own has no endpoints, or nil. A gRPC client could not read its page.
function _M.stand_in(route)
    local errors = route.plan.errors
    local own = errors and usable(errors.own)
    if not own or grpc.is_call() then
        return nil
    end
    local other = canary.share(route.backend)
    if other then
        return other
    end
    name_route(route.id, 503)
    return own
end


-- Ask the default backend for a page: with the method of the request, for "/", without the body.
local function fetch_page(route, backend, code)
    -- A request that failed before it came to a backend must not be taken for one on its way to the route's own.
    require("tidegate.router").take()
    req.discard_body()
    hop.strip()
    name_route(route.id, code)
    req.set_header("X-Original-URI", var.request_uri)
    req.set_uri("/", false)
    var.tg_backend, var.tg_code = backend.id, code
    -- Else the client would see the error's status instead of the page's.
    ngx.status = 200
    return ngx.exec(PAGE)
end


local function show(code)
    if code == 503 then
        ngx.header.retry_after = RETRY_AFTER
    end
    return ngx.exit(code)
end


-- Content phase of @error.
function _M.run()
    local lacked_port = tries.lacked_port()
    entries.follow()
    local code = tonumber(get "tg_code") or ngx.status
    if lacked_port and code == BAD_GATEWAY then
        code = UNAVAILABLE
    end
    if grpc.is_call() then
        return grpc.answer(code, get "tg_location" or "")
    end
    local id = get "tg_route" or ""
    if id ~= "" then
        local route = routes.route(id)
        local backend = page_of(route, code)
        if backend then
            return fetch_page(route, backend, code)
        end
    end
    return show(code)
end


-- Content phase of @no_page: nobody could be asked for the page. The error stays what it was.
function _M.without_page()
    return show(tonumber(get "tg_code"))
end


return _M

-- What the tries of a request tell, and which endpoint comes next: asked only after one has failed or while some are down.

local ejection = require "tidegate.ejection"
local feedback = require "tidegate.feedback"
local routes = require "tidegate.routes"
local views = require "tidegate.endpoints.views"

local errno = require("ffi").errno
local get = require("tidegate.variables").get
local get_last_failure = require("ngx.balancer").get_last_failure
local set_more_tries = require("ngx.balancer").set_more_tries
local start_time = ngx.req.start_time
local find, gmatch = string.find, string.gmatch

local MOST_TRIES = 1000000      -- as in nginx.conf
local REFUSED, TIMED_OUT = 502, 504
local NONE = views.NONE

-- Linux's EADDRNOTAVAIL: all local ports towards this endpoint are in use. nginx does not tell why a connection could not
-- be made, but comes here, and to the error's location, from the very call that failed. Of an endpoint that refuses, or is
-- not there, the last error is another one: its own connection was in progress.
local NO_PORT = 99

local _M = {}


-- Set of the endpoints tried, "address:port"; nginx's list also holds those before an internal redirect.
function _M.names()
    local names = {}
    for name in gmatch(get "upstream_addr" or "", "[^, ]+:%d+") do
        names[name] = true
    end
    return names
end


local function name_of(backend, at)
    local peers = backend.peers
    return peers[2 * at - 1] .. ":" .. peers[2 * at]
end


-- Number of the first endpoint from `at` on that is in none of the two sets, or nil.
local function first_without(backend, at, one, other)
    local count = backend.count
    for step = 0, count - 1 do
        local number = (at + step - 1) % count + 1
        local name = name_of(backend, number)
        if not one[name] and not other[name] then
            return number
        end
    end
end


-- Number of an endpoint that is neither tried nor down. Plain round robin does not look; it is asked again and its turn
-- moves on, so that the neighbor of one that is down does not get the share of both.
local function pick_good(backend, pick, tried, down)
    local at
    for _ = 1, backend.balance and 1 or backend.count do
        at = pick(backend, tried == NONE and down or tried)
        local name = name_of(backend, at)
        if not tried[name] and not down[name] then
            break
        end
    end
    return at
end


-- The set of endpoints to pass over in the choice for a session: those tried, else those that are down, if any.
function _M.to_avoid(backend, tried)
    if tried or backend.cursor.down == 0 then
        return tried
    end
    local down = views.of(backend).down
    return down ~= NONE and down or nil
end


-- Number of an endpoint: what `pick` says, which passes over those it is given if it can; in the end one that was not tried
-- goes before one that is up. `tried` is nil on a first try; with `once`, this request may not find out who is back.
function _M.choose(backend, pick, tried, once)
    local view = backend.cursor.down ~= 0 and views.of(backend)
    if not tried then
        local trial = view and view.trials and not once and ejection.trial(backend, view)
        if trial or not view then
            return trial or pick(backend)
        end
    end
    tried = tried or NONE
    local down = view and view.down or NONE
    local at = pick_good(backend, pick, tried, down)
    at = first_without(backend, at, tried, down) or first_without(backend, at, tried, NONE) or at
    if view and view.suspects[name_of(backend, at)] then
        ejection.watch(backend, name_of(backend, at))
    end
    return at
end


local function last(variable, pattern)
    local found
    for value in gmatch(get(variable) or "", pattern) do
        found = value
    end
    return found
end


-- Whether the last try ended before a byte of the request was sent.
local function was_unsent()
    return last("upstream_bytes_sent", "%d+") == "0"
end


-- Whether the first try, which is the only one so far, ended by the error of a kept connection. nginx adds a try for that,
-- and tells when asked for more tries than there may be.
local function was_found_dead(more)
    if find(get "upstream_bytes_sent" or "", ",", 1, true) then
        return false
    end
    local _, warning = set_more_tries(MOST_TRIES - (more + 1))
    set_more_tries(0)
    return warning ~= nil
end


-- Where retries are off, on a later try: the request may still go to a backend if none has got it. `more` is the number of
-- tries that the request was given besides the first.
function _M.may_go_on(more)
    return was_unsent() or was_found_dead(more)
end


-- Whether a try that has failed just now had no local port: nobody was asked, and the endpoint may be well.
function _M.lacked_port()
    return errno() == NO_PORT and was_unsent()
end


-- A try of this backend has failed without an answer, after which nginx goes on with `status`.
local function judge(backend, status)
    local why = errno()
    local name = last("upstream_addr", "[^, ]+:%d+")
    if not name then
        return
    elseif was_unsent() then
        if why ~= NO_PORT then
            ejection.unreachable(backend, name)
        end
    elseif status == REFUSED and last("upstream_header_time", "[^,: ]+") == "-" then
        ejection.broken(backend, name, start_time())
    end
end


-- A try has failed: what it tells of its endpoint is noted. Gives the set of endpoints tried.
function _M.learn(backend)
    local kind, status = get_last_failure()
    if kind == "failed" then
        judge(backend, status)
    end
    if feedback.open > 0 then
        feedback.fail()
    end
    return _M.names()
end


-- Log phase of a request that was answered with an error, its last try included.
function _M.finish(status, route)
    if (status == REFUSED or status == TIMED_OUT) and get "upstream_addr" then
        local id = get "tg_backend" or ""
        local backend = id ~= "" and routes.backend(id) or route.backend
        if backend and backend.count > 0 then
            judge(backend, status)
        end
    end
end


return _M

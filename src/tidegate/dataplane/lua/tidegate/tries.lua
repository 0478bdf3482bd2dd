-- What the tries of a request tell, and which endpoint comes next: asked only after one has failed or while some are down.

local ejection = require "tidegate.ejection"

local get = require("tidegate.variables").get
local set_more_tries = require("ngx.balancer").set_more_tries
local find, gmatch = string.find, string.gmatch

local MOST_TRIES = 1000000      -- as in nginx.conf
local REFUSED, TIMED_OUT = 502, 504
local NONE = {}

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


-- Number of an endpoint: what `pick` says, which passes over those it is given if it can; in the end one that was not tried
-- goes before one that is up. `tried` is nil on a first try.
function _M.choose(backend, pick, tried)
    if not tried and ejection.count == 0 then
        return pick(backend)
    end
    tried = tried or NONE
    local down = ejection.names
    local at = pick_good(backend, pick, tried, down)
    return first_without(backend, at, tried, down) or first_without(backend, at, tried, NONE) or at
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


local function eject_unreachable()
    if was_unsent() then
        local name = last("upstream_addr", "[^, ]+:%d+")
        if name then
            ejection.eject(name)
        end
    end
end


-- A try has failed: if it could not connect, its endpoint is passed over from now on. Gives the set of endpoints tried.
function _M.learn()
    eject_unreachable()
    return _M.names()
end


-- Log phase of a request that was answered with 502 or 504, its last try included.
function _M.finish(status)
    if (status == REFUSED or status == TIMED_OUT) and get "upstream_addr" then
        eject_unreachable()
    end
end


return _M

-- Connections of the gateway's own to endpoints that could not be connected to: is it gone, is it back? One of all workers
-- makes each: the first soon after the failure, later ones by whoever leads (prober.lua), after growing pauses.

local routes = require "tidegate.routes"
local states = require "tidegate.endpoints.states"

local TRAFFIC = states.TRAFFIC
local now, random, min = ngx.now, math.random, math.min

local PATIENCE = 1000           -- milliseconds for a connection
local PAUSE, LONGEST = 1, 10    -- seconds
local KEPT = 600                -- seconds that an endpoint stays out without another look

local _M = { FIRST = 0.05 }
local false_alarm

local DOWN = {
    ["connection refused"] = true,
    ["timeout"] = true,
    ["no route to host"] = true,
    ["host is unreachable"] = true,
    ["network is unreachable"] = true,
    ["connection reset by peer"] = true,
}


-- Called with backend and name of an endpoint that can be connected to after all.
function _M.on_false_alarm(call)
    false_alarm = call
end


-- "up", "down", or nil with the reason if nothing can be said.
local function try(name)
    local host, port = states.parts(name)
    local socket = ngx.socket.tcp()
    socket:settimeout(PATIENCE)
    local ok, err = socket:connect(host, port)
    if ok then
        socket:close()
        return "up"
    end
    return DOWN[err] and "down" or nil, err
end


local function conclude(backend, name, state, found)
    if found == "down" then
        state.looks = state.looks + 1
        state.till = now() + min(PAUSE * 2 ^ (state.looks - 1), LONGEST) * (1 + 0.2 * random())
        states.put(TRAFFIC, backend, name, state, KEPT)
        states.count "looks_failed"
        return
    end
    if found == "up" and state.looks == 0 then
        state.kind = nil
        states.put(TRAFFIC, backend, name, state, KEPT)
        false_alarm(backend, name)
    else
        states.drop(TRAFFIC, backend, name)
        ngx.log(ngx.NOTICE, "endpoint ", name, " of ", backend.id, " is used again")
    end
end


-- Look at an endpoint that could not be connected to, unless another worker does.
function _M.look(id, name)
    local state = states.get(TRAFFIC, id, name)
    if not state or state.kind ~= "unreachable" or state.till > now() + 0.01
        or not states.claim("look/" .. id .. "\n" .. name, 0.001 * PATIENCE) then
        return
    end
    local found = try(name)
    local backend = routes.current(id)
    state = states.get(TRAFFIC, id, name)
    if state and state.kind == "unreachable" then
        conclude(backend, name, state, found)
    end
end


local function first(premature, id, name)
    if not premature then
        _M.look(id, name)
    end
end


-- Look in a moment; if there is no timer left, whoever leads does it.
function _M.soon(id, name)
    ngx.timer.at(_M.FIRST, first, id, name)
end


return _M

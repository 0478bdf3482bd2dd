-- What failed tries tell of endpoints, and what follows from it for all workers.
--
-- Could not connect: passed over from the first failure on. A connection of the gateway's own then tells whether the
-- endpoint is really gone, and again after growing pauses whether it is back (endpoints/looks.lua), so that no client's
-- request is spent on finding out. Trouble of this machine (no local port left) is nobody's fault, and never
-- comes here (tries.lua).
--
-- Connections that break: three requests in a row, each begun after the one before had failed, as an endpoint that dies
-- breaks all it has at once. That one is passed over for growing pauses; after each, one request that may be repeated tries
-- it, and its success forgives all. Answers of any status are no failures, and neither are answers that take too long.

local feedback = require "tidegate.feedback"
local looks = require "tidegate.endpoints.looks"
local states = require "tidegate.endpoints.states"
local views = require "tidegate.endpoints.views"

local get, put = states.get, states.put
local TRAFFIC = states.TRAFFIC
local now, random = ngx.now, math.random
local floor, max, min = math.floor, math.max, math.min

local IN_A_ROW = 3
local PAUSE, LONGEST = 10, 60   -- seconds
local TRIAL = 10                -- seconds between two tries of an endpoint that is passed over, on this node
local MEMORY = 60               -- seconds that failures count
local KEPT = 600                -- seconds that an endpoint stays out without a new failure
local REPEATABLE = { GET = true, HEAD = true, OPTIONS = true }

local _M = {}


local function pause(times)
    return min(PAUSE * 2 ^ (times - 1), LONGEST) * (1 + 0.2 * random())
end


local function is_peer(backend, name)
    local peers = backend.peers
    for at = 1, #peers / 2 do
        if peers[2 * at - 1] .. ":" .. peers[2 * at] == name then
            return true
        end
    end
    return false
end


-- At most half of the endpoints go by broken connections, and never the only one.
local function may_go(backend)
    local count = backend.count
    return count > 1 and views.of(backend).out + 1 <= max(1, floor(count / 2))
end


-- A try could not connect.
function _M.unreachable(backend, name)
    local state = get(TRAFFIC, backend.id, name)
    if state and state.kind == "unreachable" or not is_peer(backend, name) then
        return
    end
    state = state or {}
    state.kind, state.since, state.looks = "unreachable", now(), 0
    state.till = now() + looks.FIRST
    put(TRAFFIC, backend, name, state, KEPT)
    states.count "unreachable"
    looks.soon(backend.id, name)
    ngx.log(ngx.WARN, "endpoint ", name, " of ", backend.id, " cannot be reached and is passed over")
end


local function eject(backend, name, state)
    state.kind, state.since = "reset", now()
    state.times = (state.times or 0) + 1
    state.till = now() + pause(state.times)
    put(TRAFFIC, backend, name, state, KEPT)
    states.count "reset"
    ngx.log(ngx.WARN, "endpoint ", name, " of ", backend.id, " breaks connections and is passed over")
end


-- A connection broke before an answer began; the request was begun at `began`.
function _M.broken(backend, name, began)
    local state, time = get(TRAFFIC, backend.id, name) or {}, now()
    if state.kind == "unreachable" or not is_peer(backend, name) then
        return
    elseif state.kind == "reset" then
        if time >= state.till then
            eject(backend, name, state)
        end
    elseif began > (state.last or 0) then
        state.failures, state.last = (state.failures or 0) + 1, time
        put(TRAFFIC, backend, name, state, MEMORY)
        if state.failures >= IN_A_ROW and may_go(backend) then
            eject(backend, name, state)
        end
    end
end


-- A request was answered. How often the endpoint went is remembered for a while: the next time will be longer.
local function forgive(backend, name)
    local state = get(TRAFFIC, backend.id, name)
    if not state or state.kind == "unreachable" then
        return
    end
    if state.kind == "reset" then
        ngx.log(ngx.NOTICE, "endpoint ", name, " of ", backend.id, " answers again and is used")
    end
    if state.times then
        put(TRAFFIC, backend, name, { times = state.times }, MEMORY)
    else
        states.drop(TRAFFIC, backend, name)
    end
end


local watch = {}


function watch.done(what, has_failed)
    if not has_failed then
        forgive(what.backend, what.name)
    end
end


-- Have the success of this try forgive what is known of its endpoint.
function _M.watch(backend, name)
    feedback.also(watch, { backend = backend, name = name })
end


-- Number of an endpoint that this request may try though it is passed over, or nil.
function _M.trial(backend, view)
    if not REPEATABLE[ngx.req.get_method()] then
        return nil
    end
    for _, at in ipairs(view.trials) do
        local name = backend.peers[2 * at - 1] .. ":" .. backend.peers[2 * at]
        if states.claim("trial/" .. backend.id .. "\n" .. name, TRIAL) then
            _M.watch(backend, name)
            return at
        end
    end
end


looks.on_false_alarm(function(backend, name)
    _M.broken(backend, name, now())
end)


return _M

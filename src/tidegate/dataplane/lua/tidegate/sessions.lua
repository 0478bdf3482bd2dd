-- Session affinity by cookie (reference a.7, g.12): which endpoint a request's session belongs to, and new sessions.
--
-- "balanced": the cookie's key belongs to an endpoint by its place on a ring; an endpoint that comes or goes moves the
-- sessions of its own places, silently. "persistent": the cookie names the endpoint; no session moves while its endpoint is
-- there, and one whose endpoint is gone begins anew. Endpoints that drain keep the sessions they have and get no new ones. A
-- new cookie is only issued on the paths of an Ingress that asks for affinity; elsewhere sessions are kept, not begun.

local cookies = require "tidegate.cookies"
local ring = require "tidegate.ring"
local round_robin = require "tidegate.balancers.round_robin"

local format = string.format
local md5 = ngx.md5
local random = math.random
local setmetatable = setmetatable

local DRAWS = 1000          -- keys drawn for one that belongs to an endpoint which may take it
local FRESH = { __mode = "k" }

-- By backend; made when first needed, for the version of its endpoints that `peers` says.
local states = setmetatable({}, FRESH)

local _M = {}


local function state_of(backend)
    local state = states[backend]
    if not state or state.peers ~= backend.peers then
        local names = {}
        for i = 1, #backend.peers / 2 do
            names[i] = backend.peers[2 * i - 1] .. ":" .. backend.peers[2 * i]
        end
        state = { peers = backend.peers, names = names, issuer = md5(backend.id) }
        states[backend] = state
    end
    return state
end


local function ids_of(state, backend)
    if not state.ids then
        local ids, numbers = {}, {}
        for i = 1, #state.names do
            ids[i] = md5(backend.id .. "/" .. state.names[i])
            numbers[ids[i]] = i
        end
        state.ids, state.numbers = ids, numbers
    end
    return state.ids, state.numbers
end


local function ring_of(state)
    state.ring = state.ring or ring.new(state.names, #state.names)
    return state.ring
end


-- Number of the endpoint that a key belongs to, or nil.
local function owner(affinity, state, backend, key)
    if affinity.mode == "persistent" then
        local _, numbers = ids_of(state, backend)
        return numbers[key]
    end
    return ring_of(state):find(key)
end


local function draw_key(state, backend, tried)
    local circle, count, names = ring_of(state), backend.count, state.names
    for _ = 1, DRAWS do
        local key = format("%.3f.%d.%d", ngx.now(), ngx.worker.pid(), random(0, 999999999))
        local at = circle:find(key)
        if at <= count and not (tried and tried[names[at]]) then
            return at, key
        end
    end
end


local function begin(affinity, state, backend, tried)
    if backend.count == 0 then
        return nil
    end
    if affinity.mode ~= "persistent" then
        local at, key = draw_key(state, backend, tried)
        if at then
            return at, key
        end
    end
    local at = round_robin.pick(backend, tried)
    return at, affinity.mode == "persistent" and ids_of(state, backend)[at] or nil
end


-- Number of the endpoint for a request, or nil. `path` is that of the new cookie, nil where none is issued.
function _M.pick(affinity, backend, tried, path)
    local state = state_of(backend)
    local key = cookies.session(affinity.name)
    local at = key and owner(affinity, state, backend, key)
    if at and not (affinity.change and tried and tried[state.names[at]]) then
        return at
    end
    at, key = begin(affinity, state, backend, tried)
    if key and path then
        cookies.set(affinity.name, cookies.text(affinity, key .. "|" .. state.issuer, path))
    end
    return at
end


-- Whether the request's session was begun at a backend.
function _M.is_of(affinity, backend)
    local _, issuer = cookies.session(affinity.name)
    return issuer ~= nil and issuer == state_of(backend).issuer
end


-- Whether the request's session is kept by an endpoint of a backend that takes no new ones.
function _M.is_kept(affinity, backend)
    if #backend.peers == 0 or not _M.is_of(affinity, backend) then
        return false
    end
    return owner(affinity, state_of(backend), backend, (cookies.session(affinity.name))) ~= nil
end


return _M

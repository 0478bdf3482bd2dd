-- Routes and backends as this worker has decoded them, each when first asked for.
--
-- There is one object per id for as long as anything points at it, so that hosts hold routes and routes hold backends
-- directly; a change empties the object (its `epoch` no longer matches) and the next use fills it again. A removed route
-- keeps its last content for requests still on their way. Objects are kept small (eight fields or fewer, the rest shared):
-- with thousands of routes they are most of a worker's memory.

local balancers = require "tidegate.balancers"
local cursors = require "tidegate.cursors"
local entries = require "tidegate.entries"
local features = require "tidegate.features"

local find = string.find
local ipairs, pairs = ipairs, pairs

local GONE_SECONDS = 300    -- how long a removed route stays known to requests in flight

local _M = {}

local routes, backends = {}, {}
local gone, gone_backends = {}, {}      -- id -> since when
local plans = {}            -- by sharing key, for the current epoch


local NO_PLAN = {}


-- Route object by id as it is, filled or not.
local function route_object(id)
    local route = routes[id]
    if not route then
        route = { id = id, epoch = 0, plan = NO_PLAN }
        routes[id] = route
    end
    return route
end


local function backend_object(id)
    local backend = backends[id]
    if not backend then
        backend = { id = id, epoch = 0, count = -1 }
        backends[id] = backend
    end
    return backend
end


local function add_peers(peers, endpoints)
    for _, peer in ipairs(endpoints or {}) do
        local n = #peers
        peers[n + 1] = find(peer[1], ":", 1, true) and "[" .. peer[1] .. "]" or peer[1]
        peers[n + 2] = peer[2]
    end
    return #peers / 2
end


-- Fill a backend whose epoch is not the current one. `peers` holds address, port, address, port …: the `count` endpoints
-- that take new requests, then those that only keep the sessions they have.
function _M.load_backend(backend)
    local entry = entries.read("b/" .. backend.id) or {}
    local peers = {}
    local count = add_peers(peers, entry.e)
    add_peers(peers, entry.d)
    backend.peers, backend.count = peers, count
    backend.cursor = cursors.of(backend.id, count)
    if entry.canary then
        entry.canary.object = backend_object(entry.canary.b)
    end
    backend.balance = balancers.prepare(entry, entries.values, peers, count, backend.balance)
    if count == 0 then
        gone_backends[backend.id] = gone_backends[backend.id] or ngx.now()
    end
    -- One that was swept is no longer told of changes, so it is read at each use.
    backend.epoch = backend.is_swept and 0 or entries.epoch
end


local function plan_for(entry)
    local key = features.sharing_key(entry, entries.values)
    local plan = key and plans[key]
    if not plan then
        plan = features.plan(entry, entries.values, entries.draining)
        if key then
            plans[key] = plan
        end
    end
    return plan
end


-- Fill a route whose epoch is not the current one. Gives false if there is no such route (any more).
function _M.load_route(route)
    local entry = entries.read("r/" .. route.id)
    if not entry then
        gone[route.id] = gone[route.id] or ngx.now()
        return false
    end
    gone[route.id] = nil
    -- Where its requests are counted: it may be called something else now.
    route.rows, route.code, route.cell = nil, nil, nil
    route.backend = entry.b and backend_object(entry.b) or nil
    route.plan = plan_for(entry)
    route.epoch = entries.epoch
    return true
end


-- Route by id, for the phases that only have the id.
function _M.route(id)
    local route = route_object(id)
    if route.epoch ~= entries.epoch then
        _M.load_route(route)
    end
    return route
end


-- What a route is called: namespace, Ingress, service, port; for metrics and error pages.
function _M.names(id)
    local entry = entries.read("r/" .. id) or {}
    return entry.ns or "", entry.ing or "", entry.svc or "", entry.port or ""
end


entries.on_change("r", function(id)
    local route = routes[id]
    if route then
        route.epoch, route.named = 0, nil
    end
end)


entries.on_change("b", function(id)
    local backend = backends[id]
    if backend then
        backend.epoch, backend.count = 0, -1
    end
end)


entries.on_reset(function()
    plans = {}
end)


-- Drop the objects of routes that are gone for good, and backends that nothing uses any more. Called by a timer.
function _M.sweep(now)
    for id, since in pairs(gone) do
        if now - since > GONE_SECONDS then
            gone[id], routes[id] = nil, nil
        end
    end
    for id, since in pairs(gone_backends) do
        local backend = backends[id]
        if not backend or backend.count > 0 then
            gone_backends[id] = nil
        elseif now - since > GONE_SECONDS then
            gone_backends[id], backends[id] = nil, nil
            cursors.free(id)
            backend.is_swept, backend.epoch, backend.count = true, 0, -1
        end
    end
end


-- Backend by id, filled, for what is done outside of requests.
function _M.current(id)
    entries.follow()
    local backend = backend_object(id)
    if backend.epoch ~= entries.epoch then
        _M.load_backend(backend)
    end
    return backend
end


_M.object = route_object
_M.backend = backend_object
_M.NO_PLAN = NO_PLAN


return _M

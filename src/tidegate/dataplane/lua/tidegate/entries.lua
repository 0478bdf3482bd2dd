-- Entries as this worker has decoded them: hosts, routes, backends, certificates. Each is decoded when first asked for and
-- forgotten when a delta changed it; nothing here ever walks over all of them because one changed.
--
-- Route and backend objects are one per id for as long as anything points at them, so that hosts hold routes and routes
-- hold backends directly; a change empties the object (its `epoch` no longer matches) and the next use fills it again.
-- A removed route keeps its last content for requests still on their way. Objects are kept small (eight fields or fewer,
-- the rest shared): with thousands of routes they are most of a worker's memory.

local cjson = require "cjson.safe"
local store = require "tidegate.store"
local paths = require "tidegate.paths"
local features = require "tidegate.features"

local find, sub = string.find, string.sub
local ipairs, pairs, type, tonumber, setmetatable = ipairs, pairs, type, tonumber, setmetatable
local random = math.random

local HOST_PREFIX = "h/main/"
local BUCKET_PREFIX = "m/main/"
local ANY = "_"
local MEMO_LIMIT = 16384    -- names remembered as belonging to a wildcard or to no host
local GONE_SECONDS = 300    -- how long a removed route stays known to requests in flight

local _M = {
    seen = 0,               -- version that everything decoded here is true for
    epoch = 1,              -- raised to make every route and backend be read again
    tls_epoch = 1,          -- raised when any t/ entry changed
    draining = false,
    values = {},            -- effective global settings
}

local hosts = {}            -- exact names and wildcards as keys -> host object
local memo, memo_count = {}, 0
local routes, backends = {}, {}
local gone, gone_backends = {}, {}      -- id -> since when
local plans = {}            -- by sharing key, for the current epoch
local tls_hosts, certificates = {}, {}
local any_host              -- host object of ANY
local forget = {}           -- by kind of entry


local function read(key)
    local text = store.read(key, _M.seen)
    if not text then
        return nil
    end
    local value, err = cjson.decode(text)
    if type(value) ~= "table" then
        ngx.log(ngx.ERR, "entry ", key, " cannot be read: ", err)
        return nil
    end
    return value
end


-- Routes and backends ----------------------------------------------------------------------------------------------

local NO_PLAN = {}


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
        backend = { id = id, epoch = 0, count = -1, next = 0 }
        backends[id] = backend
    end
    return backend
end


-- Backend by id.
function _M.backend(id)
    return backend_object(id)
end


-- Fill a backend whose epoch is not the current one. `peers` holds address, port, address, port …
function _M.load_backend(backend)
    local entry = read("b/" .. backend.id) or {}
    local peers, count = {}, 0
    for _, peer in ipairs(entry.e or {}) do
        peers[2 * count + 1] = find(peer[1], ":", 1, true) and "[" .. peer[1] .. "]" or peer[1]
        peers[2 * count + 2] = peer[2]
        count = count + 1
    end
    backend.peers, backend.count = peers, count
    if backend.next >= count then
        -- A start of its own for each worker, or all of them would favor the first endpoints.
        backend.next = count > 0 and random(0, count - 1) or 0
    end
    backend.canary = entry.canary
    if entry.canary then
        backend.canary.object = backend_object(entry.canary.b)
    end
    if count == 0 then
        gone_backends[backend.id] = gone_backends[backend.id] or ngx.now()
    end
    -- One that was swept is no longer told of changes, so it is read at each use.
    backend.epoch = backend.is_swept and 0 or _M.epoch
end


local function plan_for(entry)
    local key = features.sharing_key(entry, _M.values)
    local plan = key and plans[key]
    if not plan then
        plan = features.plan(entry, _M.values, _M.draining)
        if key then
            plans[key] = plan
        end
    end
    return plan
end


-- Fill a route whose epoch is not the current one. Gives false if there is no such route (any more).
function _M.load_route(route)
    local entry = read("r/" .. route.id)
    if not entry then
        gone[route.id] = gone[route.id] or ngx.now()
        return false
    end
    gone[route.id] = nil
    route.backend = entry.b and backend_object(entry.b) or nil
    route.plan = plan_for(entry)
    route.epoch = _M.epoch
    return true
end


-- Route object by id as it is, filled or not.
function _M.object(id)
    return route_object(id)
end


-- Route by id, for the phases that only have the id.
function _M.route(id)
    local route = route_object(id)
    if route.epoch ~= _M.epoch then
        _M.load_route(route)
    end
    return route
end


-- What a route is called: namespace, Ingress, service; for metrics.
function _M.names(id)
    local entry = read("r/" .. id) or {}
    return entry.ns or "", entry.ing or "", entry.svc or ""
end


function forget.r(_, id)
    local route = routes[id]
    if route then
        route.epoch = 0
    end
end


function forget.b(_, id)
    local backend = backends[id]
    if backend then
        backend.epoch, backend.count = 0, -1
    end
end


-- Hosts ------------------------------------------------------------------------------------------------------------

local function own_answer(name)
    return { id = "", epoch = -1, plan = NO_PLAN, answer = name }
end


-- Targets that the gateway answers itself, by name; see router.lua.
local TO_SLASH = own_answer "add_slash"
local HEALTHZ = own_answer "healthz"
local HEALTHZ_PATH = "/healthz"


local function is_same_match(a, b)
    return a[1] == b[1] and a[2] == b[2]
end


local function choice(rules, first, last)
    local choices = {}
    for n = first, last do
        local when = rules[n][4]
        choices[#choices + 1] = {
            when = type(when) == "table" and when or nil,
            route = route_object(rules[n][3]),
        }
    end
    return { id = "", epoch = -1, plan = NO_PLAN, choices = choices }
end


-- Hand out each match of a list of rules once, with its target: a route, or a choice if rules have conditions.
local function each_match(rules, take)
    local i = 1
    while rules[i] do
        local first, last = i, i
        while rules[last + 1] and is_same_match(rules[first], rules[last + 1]) do
            last = last + 1
        end
        local is_conditional = type(rules[first][4]) == "table"
        local target = is_conditional and choice(rules, first, last) or route_object(rules[first][3])
        take(rules[first][1], rules[first][2], target)
        i = last + 1
    end
end


local function set_rules(host, rules, present)
    each_match(rules or {}, function(kind, path, target)
        paths.set(host, kind, path, present and target or nil)
    end)
end


local function load_bucket(host, number)
    local entry = read(BUCKET_PREFIX .. host.name .. "/" .. number)
    set_rules(host, host.buckets[number], false)
    host.buckets[number] = entry and entry.rules or {}
    set_rules(host, host.buckets[number], true)
end


local function refresh_buckets(host)
    local stale = host.stale
    host.stale = false
    for number in pairs(stale) do
        load_bucket(host, number)
    end
end


local host_mt = { __index = paths.class }


local function load_host(name)
    local entry = read(HOST_PREFIX .. name)
    if not entry then
        if name ~= ANY then
            return nil
        end
        entry = {}
    end
    local host = setmetatable({ name = name, tls = 0, stale = false }, host_mt)
    paths.init(host, entry.regex, TO_SLASH)
    if name == ANY then
        paths.set(host, "e", HEALTHZ_PATH, HEALTHZ)
    end
    host.fallback = entry.d and route_object(entry.d)
    set_rules(host, entry.rules, true)
    if entry.n then
        host.buckets = {}
        for number = 0, entry.n - 1 do
            load_bucket(host, number)
        end
    else
        paths.seal(host)
    end
    hosts[name] = host
    return host
end


local function wildcard_of(name)
    local dot = find(name, ".", 1, true)
    return dot and "*" .. sub(name, dot)
end


-- Host "_" is always there: load balancers ask it for /healthz (reference d).
local function any()
    if not any_host then
        any_host = load_host(ANY)
    end
    return any_host
end


-- Host object for the name of a request (lower case).
function _M.host(name)
    local host = hosts[name] or memo[name]
    if not host then
        host = load_host(name)
        if not host then
            local wildcard = wildcard_of(name)
            host = wildcard and (hosts[wildcard] or load_host(wildcard)) or any()
            if memo_count >= MEMO_LIMIT then
                memo, memo_count = {}, 0
            end
            memo[name], memo_count = host, memo_count + 1
        end
    end
    if host.stale then
        refresh_buckets(host)
    end
    return host
end


-- Route that a host gives to paths which none of its rules match, or nil.
function _M.fallback(host)
    return host.fallback or any().fallback
end


function forget.h(_, rest)
    local name = sub(rest, find(rest, "/", 1, true) + 1)
    hosts[name] = nil
    memo, memo_count = {}, 0
    if name == ANY then
        any_host = nil
    end
end


function forget.m(_, rest)
    local name, number = rest:match("^[^/]+/(.+)/(%d+)$")
    local host = hosts[name]
    if host then
        host.stale = host.stale or {}
        host.stale[tonumber(number)] = true
    end
end


-- Certificates -----------------------------------------------------------------------------------------------------

local function tls_host(name)
    local entry = tls_hosts[name]
    if not entry then
        entry = read("t/" .. name)
        tls_hosts[name] = entry     -- only names that exist: unknown ones must not fill the memory
    end
    return entry
end


-- The t/ entry that answers for a server name: exact, then wildcard, then any; or nil.
function _M.tls_host(name)
    local entry = tls_host(name)
    if not entry then
        local wildcard = wildcard_of(name)
        entry = wildcard and tls_host(wildcard)
    end
    return entry
end


-- Tell whether a host counts as TLS, which is what `ssl-redirect` asks (reference g.9).
-- Kept in one number: the epoch for which it was found, negative for no.
function _M.is_tls(host)
    local epoch, tls = _M.tls_epoch, host.tls
    if tls ~= epoch and tls ~= -epoch then
        tls = _M.tls_host(host.name) and epoch or -epoch
        host.tls = tls
    end
    return tls == epoch
end


-- Decoded certificate by id, made by `parse(entry)` once per worker and change; nil if there is none or it is broken.
function _M.certificate(id, parse)
    local certificate = certificates[id]
    if not certificate then
        local entry = read("c/" .. id)
        certificate = entry and parse(entry)
        certificates[id] = certificate or nil
    end
    return certificate
end


function forget.t(_, name)
    tls_hosts[name] = nil
    _M.tls_epoch = _M.tls_epoch + 1
end


function forget.c(_, id)
    certificates[id] = nil
end


-- Following the store ----------------------------------------------------------------------------------------------

local function forget_all()
    hosts, memo, memo_count, any_host = {}, {}, 0, nil
    tls_hosts, certificates, plans = {}, {}, {}
    _M.epoch = _M.epoch + 1
    _M.tls_epoch = _M.tls_epoch + 1
end


local function load_globals()
    local entry = read("g")
    _M.values = entry and entry.v or {}
    local ready = read("s/ready")
    _M.ready = ready ~= nil and ready.value == true
end


function forget.g()
    forget_all()
    _M.globals_stale = true
end


function forget.s()
    _M.globals_stale = true
end


local function follow(version)
    if version - _M.seen > store.LOGS_KEPT or version < _M.seen then
        return false
    end
    for step = _M.seen + 1, version do
        local keys = store.changes(step)
        if not keys then
            return false
        end
        for key in keys do
            local kind = forget[sub(key, 1, 1)]
            if kind then
                kind(key, sub(key, 3))
            end
        end
    end
    return true
end


-- Bring this worker to the version in force: forget what the deltas since then changed, and nothing else.
function _M.sync(version)
    local followed = follow(version)
    _M.seen = version
    if not followed then
        forget_all()
        _M.globals_stale = true
    end
    if _M.globals_stale then
        _M.globals_stale = false
        load_globals()
    end
end


-- Make all answers carry "Connection: close" from now on.
function _M.drain(on)
    if _M.draining ~= on then
        _M.draining = on
        _M.epoch, plans = _M.epoch + 1, {}
    end
end


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
            backend.is_swept, backend.epoch, backend.count = true, 0, -1
        end
    end
end


return _M

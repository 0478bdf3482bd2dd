-- Connections to backends that are kept for later requests: which a request may use, and for how long its own is kept.
--
-- The connections lie in a cache of the upstream block that holds far more than one backend may keep, so that no backend
-- can push out those of another. What a backend may keep is decided here: with more requests at once than its pool has room
-- for, the connections of those too many are kept only as long as a busy backend needs to use them again. How many requests
-- are under way is known from a sample of them, for counting each would cost every request; in a small pool all are counted.
--
-- A request that must not be sent twice (nginx's list: POST, PATCH, LOCK; and methods that it does not know) only gets a
-- connection that has been idle for a moment: a backend that closes it just then would leave open whether the request was
-- carried out. For all others nginx repeats the request on another connection.

local conf = require "tidegate.settings"
local base = require "resty.core.base"
local ffi = require "ffi"
local set_current_peer = require("ngx.balancer").set_current_peer
require "resty.core.request"

local C = ffi.C
local set_peer = C.ngx_http_lua_ffi_balancer_set_current_peer
local ffi_cast, ffi_string = ffi.cast, ffi.string
local get_request = base.get_request
local errmsg = base.get_errmsg_ptr()
local band = bit.band
local max, min, floor, random = math.max, math.min, math.floor, math.random
local tonumber = tonumber

-- Bits of nginx's methods.
local UNKNOWN, POST, LOCK, PATCH = 0x1, 0x8, 0x1000, 0x4000
local NOT_REPEATABLE = UNKNOWN + POST + LOCK + PATCH

-- No server in use closes idle connections this soon: the shortest known default is gunicorn's, two seconds.
local BRIEF = 500               -- milliseconds
local CROWDED = 1000            -- milliseconds
local SAMPLES = 8               -- of a pool that is just full; one in `EVERY` requests

local IDENTITY = 300            -- seconds; so long may a TLS certificate that was replaced be in use

local ROOM = conf.pools.connections
local IDLE = conf.pools.idle * 1000
local REQUESTS = conf.pools.requests
local LIFE = conf.pools.life
local EVERY = max(1, floor(ROOM / SAMPLES))

local _M = { open = 0 }

-- Names under which connections are kept. They change once in the longest life of a connection, so that none is older.
local any, brief = nil, "a"
local identity = 0
local renewed_at = nil

local skip = 0                  -- requests until the next sample
local sampled = {}              -- address of a request -> its backend


local function address(request)
    return tonumber(ffi_cast("uintptr_t", request))
end


local function judge(backend)
    backend.idle = backend.sampled * EVERY > ROOM and min(CROWDED, IDLE) or nil
end


local function settle(key)
    local backend = sampled[key]
    if backend then
        sampled[key] = nil
        _M.open = _M.open - 1
        backend.sampled = backend.sampled - 1
        judge(backend)
    end
end


local function sample(request, backend)
    skip = random(0, 2 * (EVERY - 1))
    local key = address(request)
    -- One whose end was never told: a request of nginx's own.
    settle(key)
    sampled[key] = backend
    _M.open = _M.open + 1
    backend.sampled = (backend.sampled or 0) + 1
    judge(backend)
end


-- In the balancer phase, on a first try: go to an endpoint over a kept connection, if there is one that this request may
-- use, and keep the connection afterwards. `tls_name` is the name that a TLS endpoint was asked for and checked against; a
-- connection is only used for the same one. Gives true, or nil and why not.
function _M.connect(backend, endpoint, port, tls_name)
    local request = get_request()
    if skip == 0 then
        sample(request, backend)
    else
        skip = skip - 1
    end
    local name, idle = any, backend.idle or IDLE
    if band(C.ngx_http_lua_ffi_req_get_method(request), NOT_REPEATABLE) ~= 0 then
        name = brief
        idle = idle < BRIEF and idle or BRIEF
    end
    if tls_name then
        name = tls_name .. "/" .. identity .. (name or "")
    end
    local length = name and #name or 0
    if set_peer(request, endpoint, #endpoint, port, name, length, errmsg) ~= 0 then
        return nil, ffi_string(errmsg[0])
    end
    C.ngx_http_lua_ffi_balancer_enable_keepalive(request, idle, REQUESTS, errmsg)
    return true
end


-- Log phase of any request, while some of the sample are open.
function _M.finish()
    settle(address(get_request()))
end


-- Once a second. The workers begin at different moments, so that they do not open their connections anew all at once.
function _M.tick(now)
    renewed_at = renewed_at or now - random() * LIFE
    if now - renewed_at >= LIFE then
        renewed_at = now
        any = any == nil and "c" or nil
        brief = brief == "a" and "b" or "a"
    end
    identity = floor(now / IDENTITY)
end


if ROOM == 0 then
    _M.connect = function(_, endpoint, port)
        return set_current_peer(endpoint, port)
    end
end


return _M

-- Start-up: in the master before workers exist, and in each worker.

local wire = require "tidegate.wire"
local store = require "tidegate.store"
local index = require "tidegate.endpoints.index"
local conf = require "tidegate.settings"

local TICK = 1                  -- seconds between the housekeeping rounds of a worker
local GC_PAUSE = 110            -- percent
local GC_SPEED = 1000           -- percent: how much faster it goes than memory is taken
local RESTORE = "restore"       -- file in the instance folder, written by the keeper before a start

local _M = {}


local function put(key, value)
    if not value then
        return true
    end
    index.note(key, value)
    return store.put(key, value)
end


-- Fill an empty store from the keeper's file, so that the first request of a new master is answered right.
local function restore()
    local file = not store.is_filled() and io.open(RESTORE, "rb")
    if not file then
        return
    end
    local header, err = wire.each(file, put)
    file:close()
    local ok = header
    if ok then
        ok, err = store.fill(header.version)
    end
    if not ok then
        ngx.log(ngx.EMERG, "the entries of the last run could not be restored: ", err)
    end
end


-- In init_by_lua. All modules are loaded here, before workers lose the right to read their files.
function _M.master(given)
    conf.take(given)
    local is_new = not store.is_filled()
    restore()
    index.begin(not is_new and store.all)
    require "tidegate.health"
    require "tidegate.admin"
    if given.streams then
        require "tidegate.streams"
    end
    -- Globals, because require() in a request's phase would end the JIT's trace.
    tidegate_http = require("tidegate.router").http
    tidegate_https = require("tidegate.router").https
    tidegate_balance = require("tidegate.balancer").run
    tidegate_error = require("tidegate.errors").run
    tidegate_rewrite_answer = require("tidegate.rewriting").run
    tidegate_judge_body = require("tidegate.lasting").judge_body
    tidegate_hop = require("tidegate.hop").run
    tidegate_client = require("tidegate.client").find
    tidegate_no_page = require("tidegate.errors").without_page
    require("tidegate.counters").prepare()
    local log = require("tidegate.access_log").around(require("tidegate.counters").log)
    tidegate_log = log
    if given.tracing then
        local spans, balance = require "tidegate.spans", require("tidegate.balancer").run
        tidegate_balance, tidegate_log = spans.around(balance, log)
    end
    tidegate_certificate = require("tidegate.tls").run
    tidegate_client_hello = require("tidegate.client_tls").client_hello
    tidegate_client_refused = require("tidegate.client_tls").refused
    collectgarbage("collect")
end


local function tick(premature)
    local entries = require "tidegate.entries"
    local node = require "tidegate.node"
    require("tidegate.access_log").tell()
    if premature then
        require("tidegate.endpoints.prober").leave()
        if conf.streams then
            require("tidegate.streams").leave()
        end
        return
    end
    entries.follow()
    if conf.streams then
        require("tidegate.streams").flush()
    end
    entries.drain(node.is_draining())
    require("tidegate.routes").sweep(ngx.now())
    require("tidegate.pools").tick(ngx.now())
    require("tidegate.endpoints.prober").lead()
end


-- In init_worker_by_lua.
function _M.worker()
    -- A request leaves next to no garbage; what decoding leaves should not wait until it has doubled the memory.
    collectgarbage("setpause", GC_PAUSE)
    collectgarbage("setstepmul", GC_SPEED)
    math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
    require("tidegate.request_id").seed()
    require("tidegate.access_log").begin()
    require("tidegate.counters").begin()
    require("tidegate.node").report()
    local entries = require "tidegate.entries"
    entries.follow()
    if conf.streams then
        require("tidegate.streams").begin()
    end
    assert(ngx.timer.every(TICK, tick))
end


return _M

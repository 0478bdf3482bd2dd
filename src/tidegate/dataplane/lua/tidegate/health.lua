-- The status port: answered by nginx from shared state, so that it stays true while the controller is dead.

local counters = require "tidegate.counters"
local entries = require "tidegate.entries"
local routes = require "tidegate.routes"
local node = require "tidegate.node"
local store = require "tidegate.store"
local conf = require "tidegate.settings"
local spans = require "tidegate.spans"

local say, exit = ngx.say, ngx.exit
local ipairs, pairs = ipairs, pairs

local _M = {}


local function answer(good, text)
    ngx.status = good and 200 or 503
    say(text)
    return exit(ngx.status)
end


-- 200 while this node serves.
function _M.healthz()
    if node.is_draining() then
        return answer(false, "draining")
    end
    return answer(true, "ok")
end


-- 200 once all that the source held at the start is in force.
function _M.readyz()
    entries.follow()
    if node.is_draining() then
        return answer(false, "draining")
    end
    if not entries.ready then
        return answer(false, "the first complete configuration is not in force yet")
    end
    return answer(true, "ready")
end


local function quoted(text)
    return '"' .. text:gsub("[\\\"\n]", { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }) .. '"'
end


-- Requests are folded per Ingress and service; requests that matched no route have empty labels.
local function requests()
    local sums = {}
    for id, classes in pairs(counters.totals()) do
        local namespace, ingress, service = routes.names(id)
        local labels = "namespace=" .. quoted(namespace) .. ",ingress=" .. quoted(ingress)
            .. ",service=" .. quoted(service)
        for class, n in pairs(classes) do
            local series = labels .. ",status=" .. quoted(class)
            sums[series] = (sums[series] or 0) + n
        end
    end
    return sums
end


local function sorted_keys(t)
    local keys = {}
    for key in pairs(t) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end


function _M.metrics()
    local sums = requests()
    local capacity, free = store.space()
    ngx.header.content_type = "text/plain; version=0.0.4"
    say "# HELP nginx_ingress_controller_requests Requests by Ingress and status class."
    say "# TYPE nginx_ingress_controller_requests counter"
    for _, series in ipairs(sorted_keys(sums)) do
        say("nginx_ingress_controller_requests{", series, "} ", ("%.0f"):format(sums[series]))
    end
    if conf.tracing then
        say "# HELP tidegate_spans_lost_total Traced requests of which the late exporter was not told."
        say "# TYPE tidegate_spans_lost_total counter"
        say("tidegate_spans_lost_total ", ("%.0f"):format(spans.lost()))
    end
    for _, gauge in ipairs {
        { "tidegate_version_in_force", "Version of the configuration in force.", store.version() },
        { "tidegate_store_capacity_bytes", "Size of the store of entries.", capacity },
        { "tidegate_store_free_bytes", "Bytes of free pages in the store of entries.", free },
        { "tidegate_backends_in_panic", "Backends with more than half of their endpoints out.",
          require("tidegate.endpoints.report").in_panic() },
        { "tidegate_ready", "1 once the first complete configuration is in force.",
          entries.ready and 1 or 0 },
    } do
        say("# HELP ", gauge[1], " ", gauge[2])
        say("# TYPE ", gauge[1], " gauge")
        say(gauge[1], " ", ("%.0f"):format(gauge[3]))
    end
end


return _M

-- The log phase: each request is counted in memory that the exporter reads, and whoever waits for its end is told.
--
-- What the set phase found is handed over by the address of the request. A request that has lost its place to another one,
-- or took the general way, is looked up again by name.

local ffi = require "ffi"
local ffi_cast = ffi.cast
local bit = require "bit"
local get_request = require("resty.core.base").get_request
local cells = require "tidegate.metrics.cells"
local conf = require "tidegate.settings"
local feedback = require "tidegate.feedback"
local handed = require "tidegate.metrics.handed"
local headless = require "tidegate.headless"
local hosts = require "tidegate.hosts"
local names = require "tidegate.metrics.names"
local pools = require "tidegate.pools"
local routes = require "tidegate.routes"
local tries = require "tidegate.tries"

local get = require("tidegate.variables").get
local get_status = require("tidegate.variables").status
local band, tobit = bit.band, bit.tobit
local tonumber, pairs = tonumber, pairs

local requests, handed_routes, handed_hosts = handed.requests, handed.routes, handed.hosts
local MASK, GRAIN = handed.MASK, handed.GRAIN

local _M = {}

local measure       -- how requests are counted; nil if they are not


-- In the master.
function _M.prepare()
    local mode = conf.metrics.mode
    if mode ~= "off" then
        local chosen = require("tidegate.metrics." .. mode)
        if chosen.prepare() then
            measure = chosen
        end
    end
end


-- In each worker.
function _M.begin()
    if measure then
        measure.begin()
    end
end


local NO_HOST = { name = "_" }


local function find()
    local name = get "host"
    return routes.object(get "tg_route" or ""), name and hosts.find(name) or NO_HOST
end


-- Log phase.
function _M.log()
    local status = get_status()
    local route, host
    if measure then
        local request = tonumber(ffi_cast("uintptr_t", get_request()))
        local at = band(tobit(request * GRAIN), MASK)
        if requests[at] == request then
            requests[at] = 0
            route, host = handed_routes[at], handed_hosts[at]
        else
            route, host = find()
        end
        measure.count(route, host, status)
    end
    if feedback.open > 0 then
        feedback.finish()
    end
    if pools.open > 0 then
        pools.finish()
    end
    if status >= 500 and status < 600 then
        tries.finish(status, route or routes.object(get "tg_route" or ""))
    elseif status < 200 then
        headless.finish(status)
    end
end


-- All totals: route id -> { status class -> requests }.
function _M.totals()
    local all = {}
    cells.each(function(key, number)
        local id = names.route_of_key(key)
        local sums = all[id] or {}
        all[id] = sums
        for class, n in pairs(measure.classes(key, number)) do
            sums[class] = (sums[class] or 0) + n
        end
    end)
    return all
end


return _M

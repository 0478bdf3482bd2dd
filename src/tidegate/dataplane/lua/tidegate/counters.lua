-- Requests per route and status class: counted in the worker's own memory, added once a second to the shared dict.
--
-- Only routes that were asked since the last time are touched. What a worker counted in its last second is lost if it is
-- killed.

local ffi = require "ffi"
local headless = require "tidegate.headless"
local feedback = require "tidegate.feedback"
local routes = require "tidegate.routes"
local pools = require "tidegate.pools"
local tries = require "tidegate.tries"

local totals = ngx.shared.tidegate_counters
local get = require("tidegate.variables").get
local get_status = require("tidegate.variables").status

local CLASSES = 6       -- status div 100; 0 for what has none
local TOUCHED = 6       -- index: 1 if the route is among those touched since the last flush
local new_counts = ffi.typeof("uint32_t[7]")

local touched, count = {}, 0

local _M = { lost = 0 }


-- Log phase.
function _M.log()
    local route = routes.object(get "tg_route" or "")
    local counts = route.counts
    if not counts then
        counts = new_counts()
        route.counts = counts
    end
    if counts[TOUCHED] == 0 then
        counts[TOUCHED] = 1
        count = count + 1
        touched[count] = route
    end
    local status = get_status()
    local class = status >= 100 and status < 600 and (status - status % 100) / 100 or 0
    counts[class] = counts[class] + 1
    if feedback.open > 0 then
        feedback.finish()
    end
    if pools.open > 0 then
        pools.finish()
    end
    if class == 5 then
        tries.finish(status, route)
    elseif class == 0 then
        headless.finish(status)
    end
end


local function add(route)
    for class = 0, CLASSES - 1 do
        local n = route.counts[class]
        if n > 0 then
            local ok = totals:incr(route.id .. "\1" .. class, n, 0)
            _M.lost = ok and _M.lost or _M.lost + n
            route.counts[class] = 0
        end
    end
    route.counts[TOUCHED] = 0
end


function _M.flush()
    local counted = touched
    touched, count = {}, 0
    for i = 1, #counted do
        add(counted[i])
    end
end


-- All totals: route id -> { status class -> requests }.
function _M.totals()
    local all = {}
    for _, key in ipairs(totals:get_keys(0)) do
        local id, class = key:match("^(.*)\1(%d)$")
        if id then
            all[id] = all[id] or {}
            all[id][class .. "xx"] = totals:get(key)
        end
    end
    return all
end


return _M

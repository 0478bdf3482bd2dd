-- Counting as ingress-nginx's metrics have it: for each host, route, method, status and canary one cell, with histograms of
-- times and sizes.

local ffi = require "ffi"
local base = require "resty.core.base"
require "resty.core.request"
local buckets = require "tidegate.metrics.buckets"
local cells = require "tidegate.metrics.cells"
local conf = require "tidegate.settings"
local facts = require "tidegate.metrics.facts"
local get = require("tidegate.variables").get
local names = require "tidegate.metrics.names"

local C = ffi.C
local get_request = base.get_request
local take, duration = facts.take, facts.duration
local ipairs = ipairs

local METHODS = {           -- numbers of nginx; all others are one
    [0x2] = "GET", [0x4] = "HEAD", [0x8] = "POST", [0x10] = "PUT", [0x20] = "DELETE", [0x200] = "OPTIONS",
    [0x4000] = "PATCH",
}
local OTHER = "other"
local METHOD_CODES = 0x20000

local DIRECT = buckets.DIRECT

ffi.cdef "int ngx_http_lua_ffi_req_get_method(ngx_http_request_t *r);"

local _M = {}

local array
local time_of, find_time, length_of, find_length, size_of, find_size
local per_host, by_class


local function ms_limits(seconds)
    local limits = {}
    for i, limit in ipairs(seconds) do
        limits[i] = limit * 1000
    end
    return limits
end


-- In the master.
function _M.prepare()
    local given = conf.metrics
    per_host, by_class = given.per_host, given.classes
    time_of, find_time = buckets.finder(ms_limits(given.times))
    length_of, find_length = buckets.finder(given.lengths)
    size_of, find_size = buckets.finder(given.sizes)
    local times, lengths, sizes = #given.times + 1, #given.lengths + 1, #given.sizes + 1
    ffi.cdef(([[
        typedef struct {
            double duration, received, sent, response, connect, header;
            uint32_t durations[%d], responses[%d], connects[%d], headers[%d];
            uint32_t requests[%d], answers[%d], sizes[%d];
        } tidegate_cell;
    ]]):format(times, times, times, times, lengths, lengths, sizes))
    return cells.prepare("tidegate_cell", {
        mode = "full", per_host = per_host, times = given.times, lengths = given.lengths, sizes = given.sizes,
        bytes = ffi.sizeof "tidegate_cell", classes = by_class,
    })
end


-- In each worker.
function _M.begin()
    array = cells.begin()
end


-- Backend beside the route's own one, if the request went there; else an empty text.
local function canary_of(route)
    local balance = route.backend and route.backend.balance
    local canary = balance and balance.canary
    return canary and get "tg_backend" == canary.b and canary.b or ""
end


local function status_text(status)
    return by_class and names.class(status) or tostring(status)
end


-- The way of a request whose cell is not the last one that its route had.
local function look_up(route, host, code, status, method)
    local canary = canary_of(route)
    local key = canary == "" and code or code .. canary
    local rows = route.rows
    local row = rows and rows[host.name]
    local number = row and row[key]
    if not number then
        local name = per_host and host.name or ""
        method, status = METHODS[method] or OTHER, status_text(status)
        number = cells.number(names.key(route, name, method, status, canary), names.labels,
            route, name, method, status, canary)
        if not rows then
            rows = {}
            route.rows = rows
        end
        if not row then
            row = {}
            rows[host.name] = row
        end
        row[key] = number
    end
    if canary == "" then
        route.host, route.code, route.cell = host, code, number
    end
    return number
end


function _M.count(route, host, status)
    local method = C.ngx_http_lua_ffi_req_get_method(get_request())
    local code = status * METHOD_CODES + method
    local number = route.cell
    local balance = route.backend and route.backend.balance
    if route.code ~= code or route.host ~= host or (balance and balance.canary) then
        number = look_up(route, host, code, status, method)
    end
    local cell = array[number]
    local ms = duration()
    take()
    local bucket = ms < DIRECT and time_of[ms] or find_time(ms)
    cell.durations[bucket] = cell.durations[bucket] + 1
    cell.duration = cell.duration + ms
    local bytes = facts.received
    bucket = bytes < DIRECT and length_of[bytes] or find_length(bytes)
    cell.requests[bucket] = cell.requests[bucket] + 1
    cell.received = cell.received + bytes
    bytes = facts.sent
    bucket = bytes < DIRECT and length_of[bytes] or find_length(bytes)
    cell.answers[bucket] = cell.answers[bucket] + 1
    bucket = bytes < DIRECT and size_of[bytes] or find_size(bytes)
    cell.sizes[bucket] = cell.sizes[bucket] + 1
    cell.sent = cell.sent + bytes
    ms = facts.response
    if ms >= 0 then
        bucket = ms < DIRECT and time_of[ms] or find_time(ms)
        cell.responses[bucket] = cell.responses[bucket] + 1
        cell.response = cell.response + ms
    end
    ms = facts.connect
    if ms >= 0 then
        bucket = ms < DIRECT and time_of[ms] or find_time(ms)
        cell.connects[bucket] = cell.connects[bucket] + 1
        cell.connect = cell.connect + ms
    end
    ms = facts.header
    if ms >= 0 then
        bucket = ms < DIRECT and time_of[ms] or find_time(ms)
        cell.headers[bucket] = cell.headers[bucket] + 1
        cell.header = cell.header + ms
    end
end


-- Requests of a cell number over all workers, by class of status.
function _M.classes(key, number)
    local sum = 0
    for _, cell in ipairs(cells.of(number)) do
        for bucket = 0, #conf.metrics.times do
            sum = sum + cell.durations[bucket]
        end
    end
    return { [names.class_of_key(key)] = sum }
end


return _M

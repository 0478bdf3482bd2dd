-- Counting in few series: for each route one cell, with requests by class of status and a histogram of four buckets.

local ffi = require "ffi"
local buckets = require "tidegate.metrics.buckets"
local cells = require "tidegate.metrics.cells"
local facts = require "tidegate.metrics.facts"
local names = require "tidegate.metrics.names"

local duration = facts.duration
local ipairs, pairs = ipairs, pairs

local LIMITS = { 50, 250, 1000 }        -- milliseconds
local CLASSES = 6                       -- of status; 0 for what has none
local DIRECT = buckets.DIRECT

local STATUSES = 600                    -- those that have a class are below

local class_of = ffi.new("uint8_t[?]", STATUSES)
for status = 100, STATUSES - 1 do
    class_of[status] = math.floor(status / 100)
end

local time_of, find_time = buckets.finder(LIMITS)

ffi.cdef [[
typedef struct { double duration; uint32_t classes[6]; uint32_t durations[4]; } tidegate_cell;
]]

local _M = {}

local array


-- In the master.
function _M.prepare()
    return cells.prepare("tidegate_cell", {
        mode = "compact", times = { 0.05, 0.25, 1 }, bytes = ffi.sizeof "tidegate_cell",
    })
end


-- In each worker.
function _M.begin()
    array = cells.begin()
end


local function look_up(route)
    local number = cells.number(names.key(route, "", "", "", ""), names.labels, route, "", "", "", "")
    route.cell = number
    return number
end


function _M.count(route, _, status)
    local number = route.cell
    if not number then
        number = look_up(route)
    end
    local cell = array[number]
    local class = status < STATUSES and class_of[status] or 0
    cell.classes[class] = cell.classes[class] + 1
    local ms = duration()
    local bucket = ms < DIRECT and time_of[ms] or find_time(ms)
    cell.durations[bucket] = cell.durations[bucket] + 1
    cell.duration = cell.duration + ms
end


-- Requests of a cell number over all workers, by class of status.
function _M.classes(_, number)
    local sums = {}
    for _, cell in ipairs(cells.of(number)) do
        for class = 0, CLASSES - 1 do
            sums[class] = (sums[class] or 0) + cell.classes[class]
        end
    end
    local found = {}
    for class, n in pairs(sums) do
        if n > 0 then
            found[class .. "xx"] = n
        end
    end
    return found
end


return _M

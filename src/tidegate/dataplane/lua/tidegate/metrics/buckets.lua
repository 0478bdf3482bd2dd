-- Which bucket of a histogram a value belongs to: a table for what most values are, comparisons for the rest.

local ffi = require "ffi"
local concat = table.concat

local DIRECT = 16384        -- values below have their bucket in a table

local _M = {}


-- A tree of comparisons, as text: `from` and `to` are numbers of buckets, the limit of bucket i is limits[i + 1].
local function tree(limits, from, to, parts)
    if from == to then
        parts[#parts + 1] = "return " .. from .. " "
        return
    end
    local middle = math.floor((from + to) / 2)
    parts[#parts + 1] = ("if v <= %.17g then "):format(limits[middle + 1])
    tree(limits, from, middle, parts)
    parts[#parts + 1] = "else "
    tree(limits, middle + 1, to, parts)
    parts[#parts + 1] = "end "
end


-- Table and function that give the number of a value's bucket, from 0; the last one, #limits, has no limit. Values are
-- whole; limits are numbers, ascending.
function _M.finder(limits)
    local parts = { "local v = ... " }
    tree(limits, 0, #limits, parts)
    local find = assert(loadstring(concat(parts)))
    local direct = ffi.new("uint8_t[?]", DIRECT)
    for value = 0, DIRECT - 1 do
        direct[value] = find(value)
    end
    return direct, find
end


_M.DIRECT = DIRECT


return _M

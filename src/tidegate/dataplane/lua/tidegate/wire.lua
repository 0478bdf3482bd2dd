-- The wire form of a delta (see tidegate/model/_deltas.py): one line of JSON, then records.

local cjson = require "cjson.safe"

local byte, char, find, sub = string.byte, string.char, string.find, string.sub

local RECORD = 8        -- bytes before key and value
local SET, DELETE = 83, 68

local _M = {}


-- Give header (table), keys (array) and values (array, false for a deletion), or nil and the reason.
function _M.parse(body)
    local line_end = find(body, "\n", 1, true)
    local header = line_end and cjson.decode(sub(body, 1, line_end - 1))
    if type(header) ~= "table" or type(header.version) ~= "number" or type(header.base) ~= "number" then
        return nil, "no header"
    end
    local keys, values, n = {}, {}, 0
    local at, size = line_end + 1, #body
    while at <= size do
        local op, _, k1, k2, v1, v2, v3, v4 = byte(body, at, at + RECORD - 1)
        if not v4 or (op ~= SET and op ~= DELETE) then
            return nil, "not a record at byte " .. at
        end
        local key_at = at + RECORD
        local value_at = key_at + k1 * 256 + k2
        at = value_at + ((v1 * 256 + v2) * 256 + v3) * 256 + v4
        if at > size + 1 then
            return nil, "cut inside a record"
        end
        n = n + 1
        keys[n] = sub(body, key_at, value_at - 1)
        values[n] = op == SET and sub(body, value_at, at - 1)
    end
    if header.count ~= n then
        return nil, n .. " records, the header says " .. tostring(header.count)
    end
    return header, keys, values
end


-- Read a delta from a file, one record at a time, so that a large one costs no memory: gives its header, or nil and the
-- reason. `take(key, value)` gets each record (value false for a deletion) and may refuse by nil and a reason.
function _M.each(file, take)
    local header = cjson.decode(file:read("*l") or "")
    if type(header) ~= "table" or type(header.version) ~= "number" then
        return nil, "no header"
    end
    for _ = 1, header.count do
        local op, _, k1, k2, v1, v2, v3, v4 = byte(file:read(RECORD) or "", 1, RECORD)
        if not v4 or (op ~= SET and op ~= DELETE) then
            return nil, "not a record"
        end
        local key = file:read(k1 * 256 + k2)
        local length = ((v1 * 256 + v2) * 256 + v3) * 256 + v4
        local value = length == 0 and "" or file:read(length)
        if not key or not value or #value ~= length then
            return nil, "cut inside a record"
        end
        local ok, err = take(key, op == SET and value)
        if not ok then
            return nil, err
        end
    end
    return header
end


local function number(value, size)
    local bytes = {}
    for i = size, 1, -1 do
        bytes[i] = value % 256
        value = (value - bytes[i]) / 256
    end
    return char(unpack(bytes))
end


-- Give a delta (base 0) that sets every key of a table to its value.
function _M.format(version, entries)
    local parts, count = { "" }, 0
    for key, value in pairs(entries) do
        count = count + 1
        parts[#parts + 1] = "S\0" .. number(#key, 2) .. number(#value, 4)
        parts[#parts + 1] = key
        parts[#parts + 1] = value
    end
    parts[1] = cjson.encode { version = version, base = 0, time = ngx.time(), count = count } .. "\n"
    return table.concat(parts)
end


return _M

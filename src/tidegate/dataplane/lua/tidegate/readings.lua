-- How else a path may be read than nginx reads it, by backends that decode less, or more, or resolve nothing.
--
-- The mirror of `readings` in translate/explain/_readings.py.

local byte, char, sub = string.byte, string.char, string.sub
local find, gmatch, gsub, match = string.find, string.gmatch, string.gsub, string.match
local concat = table.concat
local ipairs, tonumber = ipairs, tonumber

local QUESTION = 63
local DECODINGS = 3     -- times that a backend may decode what is encoded again and again
local NONE = {}

local _M = {}


local function decoded(text)
    return (gsub(text, "%%(%x%x)", function(digits)
        return char(tonumber(digits, 16))
    end))
end


-- The same, but slashes and backslashes stay encoded: one segment remains one.
local function decoded_within(text)
    return (gsub(text, "%%(%x%x)", function(digits)
        local code = tonumber(digits, 16)
        return code ~= 47 and code ~= 92 and char(code) or nil
    end))
end


-- Characters below 128 that are written in UTF-8 with more bytes than they need.
local function unstretched(text)
    text = gsub(text, "[\192\193][\128-\191]", function(pair)
        return char((byte(pair, 1) - 192) * 64 + byte(pair, 2) - 128)
    end)
    return (gsub(text, "\224[\128\129][\128-\191]", function(three)
        return char((byte(three, 2) - 128) * 64 + byte(three, 3) - 128)
    end))
end


local function resolved(path)
    local segments, n = {}, 0
    for segment in gmatch(path, "[^/]+") do
        if segment == ".." then
            segments[n] = nil
            n = n > 0 and n - 1 or 0
        elseif segment ~= "." then
            n = n + 1
            segments[n] = segment
        end
    end
    local is_folder = n > 0 and find(path, "/%.?%.?$")
    return "/" .. concat(segments, "/", 1, n) .. (is_folder and "/" or "")
end


local function merged(text)
    return (gsub(text, "//+", "/"))
end


local function with_slashes(text)
    return (gsub(text, "\\", "/"))
end


local function without_parameters(text)
    return (gsub(text, ";[^/]*", ""))
end


-- As backends read it that resolve dot segments: with each of the other liberties, or without it.
local function add_resolved(readings, text)
    for _, bare in ipairs { text, without_parameters(text) } do
        for _, short in ipairs { bare, unstretched(bare) } do
            readings[#readings + 1] = resolved(short)
            readings[#readings + 1] = resolved(with_slashes(short))
        end
    end
end


local function add_all(readings, path)
    local once = decoded(path)
    readings[#readings + 1] = once
    readings[#readings + 1] = decoded_within(path)
    readings[#readings + 1] = merged(once)
    readings[#readings + 1] = merged(decoded(resolved(path)))
    add_resolved(readings, path)
    add_resolved(readings, once)
    local often = once
    for _ = 2, DECODINGS do
        often = decoded(often)
    end
    if often ~= once then
        add_resolved(readings, often)
    end
    add_resolved(readings, decoded(without_parameters(path)))
end


local function is_plain(raw, uri)
    local n = #uri
    local after = byte(raw, n + 1)
    return (after == nil or after == QUESTION) and sub(raw, 1, n) == uri and not find(uri, "[;\\\128-\255]")
end


-- Give the other readings of a request's path; `uri` is nginx's own.
function _M.of(raw, uri)
    if is_plain(raw, uri) then
        return NONE
    end
    local path = match(raw, "^[^?]*")
    local readings = {}
    add_all(readings, path)
    if find(path, "#", 1, true) then
        add_all(readings, match(path, "^[^#]*"))
    end
    return readings
end


return _M

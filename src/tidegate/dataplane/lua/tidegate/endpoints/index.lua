-- Which backends have active checks, kept as deltas come, so that whoever leads the checks need not read all backends.

local cjson = require "cjson.safe"
local states = require "tidegate.endpoints.states"

local dict = ngx.shared.tidegate_health
local find, sub = string.find, string.sub
local ipairs, pairs = ipairs, pairs

local CHECKED = "k/"
local CHANGED = "changed"       -- list of ids
local MOST = 10000              -- of those that wait
local BEGUN = "begun"
local LOST = "lost"             -- set if the list could not take one: all are to be read again

local _M = {}


-- An entry that is put in force.
function _M.note(key, value)
    if sub(key, 1, 2) ~= "b/" then
        return false
    end
    local id = sub(key, 3)
    if value and find(value, '"check":', 1, true) then
        dict:safe_set(CHECKED .. id, true)
        return true
    elseif dict:get(CHECKED .. id) then
        dict:delete(CHECKED .. id)
        return true
    end
    return false
end


local function prune(id, value)
    local there, entry = {}, cjson.decode(value)
    for _, peer in ipairs(entry and entry.e or {}) do
        local address = find(peer[1], ":", 1, true) and "[" .. peer[1] .. "]" or peer[1]
        there[address .. ":" .. peer[2]] = true
    end
    states.prune(id, function(name)
        return there[name]
    end)
end


local function queue(id)
    local length = dict:rpush(CHANGED, id)
    if not length or length > MOST then
        dict:delete(CHANGED)
        dict:safe_set(LOST, true)
    end
end


-- A delta is in force.
function _M.follow(keys, values)
    for i = 1, #keys do
        local key, value = keys[i], values[i]
        if _M.note(key, value) then
            queue(sub(key, 3))
        end
        if value and sub(key, 1, 2) == "b/" and states.has_any(sub(key, 3)) then
            prune(sub(key, 3), value)
        end
    end
end


-- At the start and at each reload, in the master. A dict that is new beside a store that is filled (a reload has brought
-- this code, or another size) learns of all; `all` gives key -> value.
function _M.begin(all)
    if dict:get(BEGUN) then
        return
    end
    for key, value in pairs(all and all() or {}) do
        _M.note(key, value)
    end
    dict:safe_set(BEGUN, true)
end


-- Ids of all backends with checks; those that changed before are among them.
function _M.all()
    dict:delete(CHANGED)
    dict:delete(LOST)
    local ids = {}
    for _, key in ipairs(dict:get_keys(0)) do
        if sub(key, 1, 2) == CHECKED then
            ids[#ids + 1] = sub(key, 3)
        end
    end
    return ids
end


-- Id of a backend whose checks may have changed since, or nil; and true if that is not known of all.
function _M.changed()
    return dict:lpop(CHANGED), dict:get(LOST)
end


return _M

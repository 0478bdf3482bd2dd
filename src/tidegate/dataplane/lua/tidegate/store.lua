-- The entries in force, in memory shared by all workers: atomic deltas, and reads at a version.
--
-- An entry stands in one of two slots of its key, with the version that wrote it in front. A delta writes the other slot
-- of each key, which no reader looks at yet; one flip of the version number puts all of it in force; then the old slots
-- are freed. If anything fails before the flip, what was written is deleted: nothing of the delta was ever in force.
-- Each delta leaves the list of its keys behind, by which workers forget what they had decoded.

local dict = ngx.shared.tidegate_store
local control = ngx.shared.tidegate_control
local page = require "tidegate.page"

local concat = table.concat
local find, sub, format, gmatch = string.find, string.sub, string.format, string.gmatch
local tonumber = tonumber

local SLOTS = { "\1", "\2" }
local FILLED = "filled"
local LOG = "log/"
local LOCK = "lock"
local LOCK_SECONDS = 30     -- a worker that dies inside apply() holds it no longer than this
local LOGS_KEPT = 4096      -- a worker that lags by more forgets everything instead

local _M = { LOGS_KEPT = LOGS_KEPT }


-- Version in force. Asked at every entry into Lua, so that nothing is served that has been replaced.
function _M.version()
    return page.version
end


local function slot(key, which, version)
    local value = dict:get(key .. SLOTS[which])
    if not value then
        return nil
    end
    local colon = find(value, ":", 1, true)
    local written = tonumber(sub(value, 1, colon - 1))
    if written > version then
        return nil
    end
    return written, sub(value, colon + 1)
end


-- JSON of the entry as of a version not older than the given one, or nil if there is none.
function _M.read(key, version)
    while true do
        local v1, value1 = slot(key, 1, version)
        local v2, value2 = slot(key, 2, version)
        if v1 or v2 then
            local value = (not v2 or (v1 and v1 > v2)) and value1 or value2
            return value ~= "" and value or nil
        end
        -- Between the two looks a delta may have moved the entry to the slot seen empty and freed the other.
        local now = _M.version()
        if now == version then
            return nil
        end
        version = now
    end
end


-- Keys of the delta that made a version, as an iterator; nil if it is no longer known.
function _M.changes(version)
    local keys = dict:get(LOG .. version)
    return keys and gmatch(keys, "[^\n]+")
end


local function current_slot(key, version)
    local v1, v2 = slot(key, 1, version), slot(key, 2, version)
    if v1 and v2 then
        return v1 > v2 and 1 or 2
    end
    return v1 and 1 or v2 and 2
end


-- A worker that died before its flip left slots of a version that never came into force.
local function sweep(version)
    local left = LOG .. (version + 1)
    local keys = dict:get(left)
    if not keys then
        return
    end
    for key in gmatch(keys, "[^\n]+") do
        for which = 1, 2 do
            local value = dict:get(key .. SLOTS[which])
            if value and tonumber(sub(value, 1, find(value, ":", 1, true) - 1)) > version then
                dict:delete(key .. SLOTS[which])
            end
        end
    end
    dict:delete(left)
end


local function undo(keys, written, version)
    for i = 1, #written do
        dict:delete(keys[i] .. SLOTS[written[i]])
    end
    dict:delete(LOG .. version)
end


local function write(header, keys, values)
    local base, version = header.base, header.version
    local ok, err = dict:safe_set(LOG .. version, concat(keys, "\n"))
    if not ok then
        return nil, err, "log"
    end
    local prefix = format("%.0f:", version)
    local written = {}
    for i = 1, #keys do
        local key = keys[i]
        local which = current_slot(key, base) == 1 and 2 or 1
        ok, err = dict:safe_set(key .. SLOTS[which], prefix .. (values[i] or ""))
        if not ok then
            -- A failing safe_set has already dropped whatever stood in that slot; it was free.
            undo(keys, written, version)
            return nil, err, key
        end
        written[i] = which
    end
    return written
end


local function free_replaced(keys, values, written)
    for i = 1, #keys do
        dict:delete(keys[i] .. SLOTS[3 - written[i]])
        if not values[i] then
            dict:delete(keys[i] .. SLOTS[written[i]])
        end
    end
end


local function apply(header, keys, values)
    local version = _M.version()
    if header.base ~= version or header.version <= version then
        return nil, "conflict", version
    end
    sweep(version)
    local written, err, key = write(header, keys, values)
    if not written then
        return nil, err, key
    end
    page.version = header.version
    free_replaced(keys, values, written)
    dict:delete(LOG .. (header.version - LOGS_KEPT))
    return header.version
end


-- Put a delta in force: gives its version; or nil, the reason ("conflict", "busy", "no memory") and the version in force
-- or the key that did not fit.
function _M.apply(header, keys, values)
    if not control:safe_add(LOCK, ngx.worker.pid(), LOCK_SECONDS) then
        return nil, "busy"
    end
    local done, version, err, detail = pcall(apply, header, keys, values)
    control:delete(LOCK)
    if not done then
        return nil, version
    end
    return version, err, detail
end


-- Tell whether entries were ever put here. A new master starts with new memory; a reload keeps it.
function _M.is_filled()
    return dict:get(FILLED) ~= nil
end


-- Fill an empty store, entry by entry.
function _M.put(key, value)
    return dict:safe_set(key .. SLOTS[1], "0:" .. value)
end


-- End the filling: the entries put are those of this version.
function _M.fill(version)
    page.version = version
    return dict:safe_set(FILLED, version)
end


-- All entries in force, key -> JSON, and their version. Walks the whole store with its lock held: for rescue, not for use.
function _M.all()
    local version = _M.version()
    local entries = {}
    for _, slotted in ipairs(dict:get_keys(0)) do
        local key = sub(slotted, 1, -2)
        if slotted ~= FILLED and sub(slotted, 1, #LOG) ~= LOG and not entries[key] then
            entries[key] = _M.read(key, version)
        end
    end
    return entries, version
end


function _M.space()
    return dict:capacity(), dict:free_space()
end


return _M

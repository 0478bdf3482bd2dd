-- What this worker has decoded of the entries in force, kept true: who holds decoded entries registers here by kind of
-- entry, and is told which of them a delta changed. Nothing ever walks over all of them because one changed.

local cjson = require "cjson.safe"
local store = require "tidegate.store"

local sub = string.sub
local type = type

local _M = {
    seen = 0,               -- version that everything decoded is true for
    epoch = 1,              -- raised to make every route and backend be read again
    draining = false,
    ready = false,
    values = {},            -- effective global settings
}

local forget = {}           -- by kind of entry: function (name), the key without its kind
local resets = {}


-- Have a function called with the name of each entry of a kind that changed.
function _M.on_change(kind, call)
    forget[kind] = call
end


-- Have a function called when everything decoded is to be forgotten.
function _M.on_reset(call)
    resets[#resets + 1] = call
end


-- Decoded entry as of the version that this worker follows, or nil.
function _M.read(key)
    local text = store.read(key, _M.seen)
    if not text then
        return nil
    end
    local value, err = cjson.decode(text)
    if type(value) ~= "table" then
        ngx.log(ngx.ERR, "entry ", key, " cannot be read: ", err)
        return nil
    end
    return value
end


local function reset()
    _M.epoch = _M.epoch + 1
    for i = 1, #resets do
        resets[i]()
    end
end


local is_stale = true       -- the global settings


forget.g = function()
    reset()
    is_stale = true
end


forget.s = function()
    is_stale = true
end


local function load_globals()
    local entry = _M.read "g"
    _M.values = entry and entry.v or {}
    local ready = _M.read "s/ready"
    _M.ready = ready ~= nil and ready.value == true
end


-- Replay what the deltas since the last time changed; false if that is no longer known.
local function replay(version)
    if version - _M.seen > store.LOGS_KEPT or version < _M.seen then
        return false
    end
    for step = _M.seen + 1, version do
        local keys = store.changes(step)
        if not keys then
            return false
        end
        for key in keys do
            local call = forget[sub(key, 1, 1)]
            if call then
                call(sub(key, 3))
            end
        end
    end
    return true
end


local function sync(version)
    local replayed = replay(version)
    _M.seen = version
    if not replayed then
        reset()
        is_stale = true
    end
    if is_stale then
        is_stale = false
        load_globals()
    end
end


-- Bring this worker to the version in force. At every entry into Lua; costs one load if nothing changed.
function _M.follow()
    local version = store.version()
    if version ~= _M.seen then
        sync(version)
    end
end


-- Make all answers carry "Connection: close" from now on.
function _M.drain(on)
    if _M.draining ~= on then
        _M.draining = on
        reset()
    end
end


return _M

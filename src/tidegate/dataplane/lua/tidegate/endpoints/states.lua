-- What is known against endpoints, in memory shared by all workers: only of those in trouble, so that it is small.
--
-- Two kinds of evidence, each under a key of its own: "t" what traffic has met (ejection.lua), "c" what checks have found
-- (prober.lua). Who writes raises `changes` in the backend's cursor, by which workers know that what they have read is old,
-- and sets `down`, which sends the backend's requests the long way. Two workers that write at once may lose a step of one of
-- them; the next failure brings it back. All states run out unless they are renewed, so nothing here outlives its backend.

local cjson = require "cjson.safe"

local dict = ngx.shared.tidegate_health
local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub
local ipairs = ipairs

local LARGEST = 2147483648      -- `changes` has 32 bits
local NAMES_SECONDS = 3600
local TRAFFIC, CHECK, NAMES = "t/", "c/", "n/"

local _M = { TRAFFIC = TRAFFIC, CHECK = CHECK }


local function touch(backend)
    local cursor = backend.cursor
    cursor.changes = (dict:incr("changes", 1, 0) or 0) % LARGEST
    cursor.down = 1
end


-- Remember that there is something about an endpoint, for `prune` and `each`.
local function note(id, name)
    local key = NAMES .. id
    local names = dict:get(key) or ""
    if not find("\n" .. names, "\n" .. name .. "\n", 1, true) then
        names = names .. name .. "\n"
    end
    dict:safe_set(key, names, NAMES_SECONDS)
end


-- Make an endpoint known again to whoever looks after it.
function _M.remind(backend, name)
    note(backend.id, name)
    touch(backend)
end


-- State of an endpoint ("address:port"), or nil.
function _M.get(kind, id, name)
    local text = dict:get(kind .. id .. "\n" .. name)
    return text and cjson.decode(text)
end


-- Set a state for so many seconds. Without memory for it nothing changes, and the endpoint is used as before.
function _M.put(kind, backend, name, state, seconds)
    local ok, err = dict:safe_set(kind .. backend.id .. "\n" .. name, cjson.encode(state), seconds)
    if not ok then
        ngx.log(ngx.ERR, "no memory for the state of endpoint ", name, " of ", backend.id, ": ", err)
        return
    end
    note(backend.id, name)
    touch(backend)
end


function _M.drop(kind, backend, name)
    dict:delete(kind .. backend.id .. "\n" .. name)
    touch(backend)
end


-- Do something at most once in so many seconds, in one of all workers.
function _M.claim(what, seconds)
    return dict:add("!" .. what, true, seconds) == true
end


-- Count something since the start.
function _M.count(what)
    dict:incr("#" .. what, 1, 0)
end


function _M.counts()
    local counts = {}
    for _, key in ipairs(dict:get_keys(0)) do
        if sub(key, 1, 1) == "#" then
            counts[sub(key, 2)] = dict:get(key)
        end
    end
    return counts
end


-- Ids of backends of which something may be known.
function _M.backends()
    local ids = {}
    for _, key in ipairs(dict:get_keys(0)) do
        if sub(key, 1, 2) == NAMES then
            ids[#ids + 1] = sub(key, 3)
        end
    end
    return ids
end


-- Names of endpoints of a backend of which something may be known.
function _M.names(id)
    return gmatch(dict:get(NAMES .. id) or "", "[^\n]+")
end


-- Tells whether anything was written since the last time.
function _M.changes()
    return dict:get "changes" or 0
end


-- A backend's endpoints have changed: one that is gone is not known any more, should it come back. `is_there(name)`.
function _M.prune(id, is_there)
    local left = ""
    for name in _M.names(id) do
        if is_there(name) then
            left = left .. name .. "\n"
        else
            dict:delete(TRAFFIC .. id .. "\n" .. name)
            dict:delete(CHECK .. id .. "\n" .. name)
        end
    end
    if left == "" then
        dict:delete(NAMES .. id)
    else
        dict:safe_set(NAMES .. id, left, NAMES_SECONDS)
    end
end


-- Forget a backend in which nothing is left.
function _M.forget(id)
    dict:delete(NAMES .. id)
end


function _M.has_any(id)
    return dict:get(NAMES .. id) ~= nil
end


-- Address and port of a name.
function _M.parts(name)
    local host, port = match(name, "^(.*):(%d+)$")
    return host, tonumber(port)
end


return _M

-- TCP and UDP services, and hosts whose TLS is passed through: their entries (p/…) become the endpoints of nginx's stream
-- upstreams. A worker that puts a delta in force brings them up to date before it acknowledges; what another worker changed
-- is there already when this one looks, since the list is shared.

local entries = require "tidegate.entries"
local passing = require "tidegate.passing"
local peers = require "tidegate.peers"

local gsub = string.gsub

local LOOKS = 20                -- in the first second of a worker, within which those before it leave
local LOOK_SECONDS = 0.05

local _M = {}

local stale = {}                -- names of entries (tcp/5432, sni/shop.example) that may differ from nginx's list
local known = {}                -- name of an entry -> name of its upstream block


local function mark_all()
    for name in pairs(known) do
        stale[name] = true
    end
end


local unknown                   -- why nginx's memory is not touched at all
local failures = {}             -- name of an entry -> why its list stays as it was


-- What is wrong, in words; nil if nothing is.
function _M.trouble()
    if unknown then
        return "no TCP or UDP service and no passed-through host is served: " .. unknown
    end
    local name, err = next(failures)
    return name and "the endpoints of " .. name .. " stay as they were: " .. err
end


-- Bring nginx's lists up to date with what this worker has followed.
function _M.flush()
    for name in pairs(stale) do
        local entry = entries.read("p/" .. name)
        local done, err = peers.set(known[name], entry and entry.e or {}, entries.seen)
        failures[name] = not done and tostring(err) or nil
        if done then
            stale[name] = nil
        else
            -- Tried again with the next delta, and each second.
            ngx.log(ngx.ERR, "the endpoints of ", name, " stay as they were: ", err)
        end
    end
end


local function catch_up(premature)
    if not premature then
        entries.follow()
        _M.flush()
    end
end


-- In each worker, when it leaves.
_M.leave = passing.restore


-- In each worker, before it accepts.
function _M.begin()
    passing.remember()
    local names, err = peers.find()
    if not names then
        unknown = err
        ngx.log(ngx.EMERG, _M.trouble())
        return
    end
    for i = 1, #names do
        known[gsub(gsub(names[i], "^tg_", ""), "_", "/", 1)] = names[i]
    end
    entries.on_change("p", function(name)
        stale[name] = known[name] and true or nil
    end)
    entries.on_reset(mark_all)
    mark_all()
    _M.flush()
    -- A reload brings a new list. A delta that a leaving worker still acknowledges is in the old one only.
    for i = 1, LOOKS do
        ngx.timer.at(i * LOOK_SECONDS, catch_up)
    end
end


return _M

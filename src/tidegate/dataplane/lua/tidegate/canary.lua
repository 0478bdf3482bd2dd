-- Canary (reference g.11): which of two backends a request goes to.

local entries = require "tidegate.entries"
local routes = require "tidegate.routes"
local sessions = require "tidegate.sessions"

local var = ngx.var
local gsub, lower = string.gsub, string.lower
local random = math.random
local re_find = ngx.re.find

local _M = {}


local function by_word(word)
    if word == "always" then
        return true
    elseif word == "never" then
        return false
    end
end


-- true or false where the header decides, nil where it does not.
local function by_header(canary)
    local sent = var["http_" .. gsub(lower(canary.header), "-", "_")]
    if not sent then
        return nil
    end
    if canary.value then
        return sent == canary.value or nil
    end
    if canary.pattern then
        local from, _, err = re_find(sent, canary.pattern, "jo")
        if err then
            return false
        end
        return from and true or nil
    end
    return by_word(sent)
end


-- A session stays where it was begun.
local function by_session(affinity, canary, backend)
    if sessions.is_of(affinity, backend) then
        return false
    elseif canary.sticky ~= false and sessions.is_of(affinity, canary.object) then
        return true
    end
end


local function wants(balance, backend)
    local canary, decided = balance.canary, nil
    if balance.affinity then
        decided = by_session(balance.affinity, canary, backend)
    end
    if decided == nil and canary.header then
        decided = by_header(canary)
    end
    if decided == nil and canary.cookie then
        decided = by_word(var["cookie_" .. canary.cookie])
    end
    if decided == nil then
        decided = random(canary.total or 100) <= (canary.weight or 0)
    end
    return decided
end


-- What decides on sessions of a route's requests at a backend, the route's own one or the canary beside it; nil if nothing.
function _M.affinity(primary, backend)
    local balance = primary.balance
    if not balance or backend == primary then
        return balance and balance.affinity
    end
    local canary = balance.canary
    return canary and canary.object == backend and canary.sticky ~= false and balance.affinity or nil
end


-- Whether a backend can answer this request: it has endpoints for new sessions, or one that drains and has this one.
function _M.can_answer(primary, backend)
    if backend.count > 0 then
        return true
    end
    local affinity = _M.affinity(primary, backend)
    return affinity ~= nil and sessions.is_kept(affinity, backend)
end


-- The canary's backend if the request wants it and it can answer, else nil.
function _M.share(backend)
    local balance = backend.balance
    if not balance or not balance.canary then
        return nil
    end
    local other = balance.canary.object
    if other.epoch ~= entries.epoch then
        routes.load_backend(other)
    end
    return wants(balance, backend) and _M.can_answer(backend, other) and other or nil
end


-- The backend to use. A primary without endpoints answers 503 whatever the canary has (reference g.11).
function _M.choose(backend)
    return backend.count > 0 and _M.share(backend) or backend
end


return _M

-- Canary (reference g.11): which of two backends a request goes to.

local entries = require "tidegate.entries"
local routes = require "tidegate.routes"

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


local function wants(canary)
    local decided
    if canary.header then
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


-- The backend to use: the canary's if the request wants it and it has endpoints. A primary without endpoints answers 503
-- whatever the canary has (reference g.11).
function _M.choose(backend)
    if backend.count == 0 or not wants(backend.canary) then
        return backend
    end
    local other = backend.canary.object
    if other.epoch ~= entries.epoch then
        routes.load_backend(other)
    end
    return other.count > 0 and other or backend
end


return _M

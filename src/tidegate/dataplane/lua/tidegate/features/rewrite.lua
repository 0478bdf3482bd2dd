-- `rewrite-target` (reference g.3): the route's path is a regular expression, not anchored, case-insensitive; the target
-- with its captures becomes the whole path, the query stays.

local re_match = ngx.re.match
local gsub, byte = string.gsub, string.byte
local set_uri = ngx.req.set_uri
local var = ngx.var

local SLASH = 47
local FLAGS = "ijo"

local _M = {}


local function expand(target, captures)
    local function value(name)
        return captures[tonumber(name) or name] or ""
    end
    local text = gsub(target, "%$(%d)", value)
    text = gsub(text, "%${([%w_]+)}", value)
    return (gsub(text, "%$([%a_][%w_]*)", value))
end


function _M.prepare(get, _, entry)
    local target, pattern = get "rewrite_target", entry.path
    if not target or target == pattern then
        return nil
    end
    return function()
        local captures = re_match(var.uri, pattern, FLAGS)
        if captures then
            local uri = expand(target, captures)
            if byte(uri, 1) ~= SLASH then
                uri = "/" .. uri
            end
            set_uri(uri, false, true)
        end
    end
end


return _M

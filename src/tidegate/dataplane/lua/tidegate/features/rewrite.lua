-- `rewrite-target` (reference g.3): the route's path is a regular expression, not anchored, case-insensitive; the target
-- with its captures becomes the whole path, the query stays.

local re_match = ngx.re.match
local gsub, match, sub, byte = string.gsub, string.match, string.sub, string.byte
local set_uri, set_header = ngx.req.set_uri, ngx.req.set_header
local var = ngx.var

local SLASH = 47
local FLAGS = "ijo"

local _M = {}


-- In one pass: what a client sent must not be read for captures again.
local function expand(target, captures)
    return (gsub(target, "%$({?)([%w_]*)(}?)", function(open, name, close)
        if open == "{" then
            if name == "" or close == "" then
                return nil
            end
            return captures[tonumber(name) or name] or ""
        end
        local digit = match(name, "^%d")
        if digit then
            return (captures[tonumber(digit)] or "") .. sub(name, 2) .. close
        end
        return name ~= "" and (captures[name] or "") .. close or nil
    end))
end


function _M.prepare(get, _, entry)
    local target, pattern = get "rewrite_target", entry.path
    if not target or target == pattern then
        return nil
    end
    local prefix = get "forwarded_prefix"
    return function()
        local captures = re_match(var.uri, pattern, FLAGS)
        if captures then
            local uri = expand(target, captures)
            if byte(uri, 1) ~= SLASH then
                uri = "/" .. uri
            end
            if prefix then
                set_header("X-Forwarded-Prefix", expand(prefix, captures))
            end
            set_uri(uri, false, true)
        end
    end
end


return _M

-- Conditions of a match besides host and path: method, headers, query. Only routes that have some come here.

local is_call = require("tidegate.grpc").is_call
local var = ngx.var
local gsub = string.gsub
local ipairs, pairs = ipairs, pairs

local _M = {}


local function has_method(methods)
    local method = ngx.req.get_method()
    for _, name in ipairs(methods) do
        if name == method then
            return true
        end
    end
    return false
end


local function holds(when)
    if when.grpc and not is_call() then
        return false
    end
    if when.methods and not has_method(when.methods) then
        return false
    end
    for name, value in pairs(when.headers or {}) do
        if var["http_" .. gsub(name, "-", "_")] ~= value then
            return false
        end
    end
    for name, value in pairs(when.query or {}) do
        if var["arg_" .. name] ~= value then
            return false
        end
    end
    return true
end


-- First route whose conditions hold, or nil.
function _M.choose(choices)
    for i = 1, #choices do
        local choice = choices[i]
        if not choice.when or holds(choice.when) then
            return choice.route
        end
    end
end


return _M

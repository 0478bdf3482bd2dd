-- Error answers: a request that ends with an error status goes where its client can make use of it.
--
-- Errors that the router decides leave by a location of their own (`@e404` …), which costs no Lua. Those that nginx makes
-- itself, and whatever needs more than nginx's own page, come to location @error, where `run` decides:
-- gRPC calls get a gRPC answer, everything else nginx's own page.

local grpc = require "tidegate.grpc"
local get = require("tidegate.variables").get

local var = ngx.var
local sub = string.sub
local tonumber = tonumber

local ERROR = "@error"
local RETRY_AFTER = 5       -- seconds; as location @e503 says

local _M = {}


-- Set phase: the location for an answer (`@e404`, `@r308` …) in the place of which something else may be due.
function _M.instead(location)
    if grpc.is_call() then
        var.tg_code = sub(location, 3)
        return ERROR
    end
    return location
end


-- Content phase of @error.
function _M.run()
    local code = tonumber(get "tg_code") or ngx.status
    if grpc.is_call() then
        return grpc.answer(code, get "tg_location" or "")
    end
    if code == 503 then
        ngx.header.retry_after = RETRY_AFTER
    end
    return ngx.exit(code)
end


return _M

-- Headers that a client says are meant for its next hop only (RFC 9110, 7.6.1): they end here.
--
-- What says who the client is, how the message is framed and which host is meant stays, whatever the client says of it: a
-- client must not be able to take away what we, or a proxy that we trust, say of it.

local lasting = require "tidegate.lasting"
local get = require("tidegate.variables").get

local var = ngx.var
local clear_header = ngx.req.clear_header
local gmatch, lower, find, sub = string.gmatch, string.lower, string.find, string.sub

-- Values that name no header; as the map of $tg_jump has them.
local ORDINARY = { [""] = true, ["close"] = true, ["keep-alive"] = true, ["Keep-Alive"] = true }

-- What the gateway deals with itself: it is replaced, dropped by nginx, or an option of the connection.
local KEPT = {
    ["host"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
    ["connection"] = true, ["close"] = true, ["keep-alive"] = true, ["te"] = true, ["expect"] = true,
    ["forwarded"] = true, ["x-real-ip"] = true, ["x-request-id"] = true, ["x-scheme"] = true,
    ["x-code"] = true, ["x-format"] = true, ["x-namespace"] = true, ["x-ingress-name"] = true,
    ["x-service-name"] = true, ["x-service-port"] = true,
}
local KEPT_STARTS = { "x-forwarded-", "x-original-" }

local _M = {}


local function is_kept(name)
    if KEPT[name] then
        return true
    end
    for i = 1, #KEPT_STARTS do
        local start = KEPT_STARTS[i]
        if sub(name, 1, #start) == start then
            return true
        end
    end
    return false
end


-- Take out what the Connection header of this request names.
function _M.strip()
    local connection = get "http_connection"
    if not connection or ORDINARY[connection] then
        return
    end
    for token in gmatch(connection, "[^%s,]+") do
        local name = lower(token)
        if not is_kept(name) then
            clear_header(name)
        end
    end
end


-- Rewrite phase of @hop. HTTP/2 and HTTP/3 know no such header: a request with one is malformed (RFC 9113, 8.2.2).
function _M.run()
    if find(var.server_protocol, "^HTTP/[23]") then
        return ngx.exit(400)
    end
    _M.strip()
    if lasting.is_one() then
        return ngx.exec("@stream")
    end
    return lasting.judge_body()
end


return _M

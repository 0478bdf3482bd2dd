-- One active check of an endpoint, within its timeout: can it be connected to (tcp), does it answer a GET with an expected
-- status (http), does it say that it serves by the gRPC health protocol (grpc).
--
-- Gives true; false and why it failed; or nil and the reason if nothing can be said: trouble of this machine. Reads as many
-- bytes as it needs to know and no more.

local grpc = require "tidegate.endpoints.grpc_health"

local match = string.match
local tonumber = tonumber
local now = ngx.now

local AGENT = "tidegate-health/1"
local OWN = {                   -- errors of this machine
    ["cannot assign requested address"] = true,
    ["too many open files"] = true,
    ["no memory"] = true,
}

local _M = {}


local function limit(socket, until_when)
    local left = (until_when - now()) * 1000
    if left < 1 then
        return nil, "timeout"
    end
    socket:settimeout(left)
    return true
end


local function is_expected(check, status)
    for i = 1, #check.statuses do
        local range = check.statuses[i]
        if status >= range[1] and status <= range[2] then
            return true
        end
    end
    return false
end


local kinds = {}


function kinds.tcp()
    return true
end


function kinds.http(socket, check, name)
    local ok, err = socket:send {
        "GET ", check.path, " HTTP/1.1\r\nHost: ", check.host ~= "" and check.host or name,
        "\r\nUser-Agent: ", AGENT, "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    }
    if not ok then
        return false, err
    end
    local head
    head, err = socket:receive(12)
    local status = head and tonumber(match(head, "^HTTP/1%.%d (%d%d%d)$"))
    if not status then
        return false, head and "no HTTP answer" or err
    end
    return is_expected(check, status), "status " .. status
end


function kinds.grpc(socket, check, name)
    return grpc.ask(socket, check.host ~= "" and check.host or name, check.service)
end


local function converse(socket, check, host, port, name)
    local until_when = now() + check.timeout
    limit(socket, until_when)
    local ok, err = socket:connect(host, port)
    if not ok and OWN[err] then
        return nil, err
    elseif not ok then
        return false, err
    end
    if check.tls and limit(socket, until_when) then
        ok, err = socket:sslhandshake(nil, check.host ~= "" and check.host or nil, false)
        if not ok then
            return false, err
        end
    end
    ok, err = limit(socket, until_when)
    if not ok then
        return false, err
    end
    return kinds[check.kind](socket, check, name)
end


-- Check an endpoint: `host` and `port` to connect to, `name` for the Host header if the check has none.
function _M.run(check, host, port, name)
    local socket = ngx.socket.tcp()
    local good, why = converse(socket, check, host, port, name)
    socket:close()
    return good, why
end


return _M

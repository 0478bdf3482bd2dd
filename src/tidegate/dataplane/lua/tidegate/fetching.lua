-- One HTTP request to a server outside, from a timer: small bodies, plain HTTP, bounded in time and size.

local match = string.match
local tonumber = tonumber

local TIMEOUT = 5000            -- milliseconds for each step
local LARGEST = 65536           -- bytes of an answer's body

local _M = {}


local function parts(url)
    local authority, path = match(url, "^[hH][tT][tT][pP]://([^/?#@]+)([^#]*)$")
    if not authority then
        return nil
    end
    local host, port = match(authority, "^(.-):(%d+)$")
    return host or authority, tonumber(port or 80), path ~= "" and path or "/"
end


local function read_head(socket)
    local line, err = socket:receive "*l"
    local status = line and tonumber(match(line, "^HTTP/1%.%d (%d%d%d)"))
    if not status then
        return nil, err or "no HTTP answer"
    end
    local length
    for _ = 1, 100 do
        line, err = socket:receive "*l"
        if not line then
            return nil, err
        end
        if line == "" then
            return status, length
        end
        length = tonumber(match(line, "^[cC]ontent%-[lL]ength:%s*(%d+)%s*$")) or length
    end
    return nil, "too many headers"
end


-- HTTP/1.0 has no chunks: a body without a length ends with the connection.
local function read_body(socket, length)
    if length and length > LARGEST then
        return nil, "too large"
    end
    if length then
        return socket:receive(length)
    end
    local body, err, partial = socket:receive(LARGEST + 1)
    if body then
        return nil, "too large"
    end
    return err == "closed" and partial or nil, err
end


local function converse(socket, request)
    local ok, err = socket:send(request)
    if not ok then
        return nil, err
    end
    local status, length = read_head(socket)
    if status ~= 200 then
        return nil, status and "status " .. status or length
    end
    return read_body(socket, length)
end


-- Post a body; gives the answer's body, or nil and the reason.
function _M.post(url, content_type, body)
    local host, port, path = parts(url)
    if not host then
        return nil, "not a plain HTTP URL"
    end
    local socket = ngx.socket.tcp()
    socket:settimeout(TIMEOUT)
    local ok, err = socket:connect(host, port)
    if not ok then
        return nil, err
    end
    local answer
    answer, err = converse(socket, {
        "POST ", path, " HTTP/1.0\r\nHost: ", host, "\r\nContent-Type: ", content_type,
        "\r\nContent-Length: ", #body, "\r\n\r\n", body,
    })
    socket:close()
    return answer, err
end


return _M

-- grpc.health.v1.Health/Check over HTTP/2 without TLS: one call on a connection of its own. As little of HTTP/2 as that
-- takes: header fields are sent as literals, and of the answer only frames and the message are read.

local byte, char, sub = string.byte, string.char, string.sub
local floor = math.floor

local PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
local DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
local END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
local MOST_FRAMES = 64
local LARGEST = 16384           -- bytes of a frame; we asked for no more
local SERVING = 1
local WORDS = { [0] = "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" }

local _M = {}


local function number(value, bytes)
    local text = ""
    for _ = 1, bytes do
        text = char(value % 256) .. text
        value = floor(value / 256)
    end
    return text
end


local function frame(kind, flags, stream, payload)
    return number(#payload, 3) .. char(kind, flags) .. number(stream, 4) .. payload
end


-- Texts here are shorter than 127 bytes but for names given by users, which are cut to fit.
local function field(name, value)
    value = sub(value, 1, 126)
    return "\0" .. char(#name) .. name .. char(#value) .. value
end


local function request(authority, service)
    service = sub(service, 1, 126)
    local message = service == "" and "" or "\10" .. char(#service) .. service
    local head = field(":method", "POST") .. field(":scheme", "http")
        .. field(":path", "/grpc.health.v1.Health/Check") .. field(":authority", authority)
        .. field("content-type", "application/grpc") .. field("te", "trailers")
    return PREFACE .. frame(SETTINGS, 0, 0, "") .. frame(HEADERS, END_HEADERS, 1, head)
        .. frame(DATA, END_STREAM, 1, "\0" .. number(#message, 4) .. message)
end


local function read_frame(socket)
    local head, err = socket:receive(9)
    if not head then
        return nil, err
    end
    local a, b, c, kind, flags, _, _, _, stream = byte(head, 1, 9)
    local length = (a * 256 + b) * 256 + c
    if length > LARGEST then
        return nil, "no HTTP/2"
    end
    local payload = ""
    if length > 0 then
        payload, err = socket:receive(length)
        if not payload then
            return nil, err
        end
    end
    return kind, flags, payload, stream
end


-- Whether a message says that the service serves; field 1 of HealthCheckResponse.
local function judge(payload, flags)
    if floor(flags / PADDED) % 2 == 1 then
        payload = sub(payload, 2, -1 - (byte(payload, 1) or 0))
    end
    local status = byte(payload, 6) == 8 and byte(payload, 7) or 0
    return status == SERVING, WORDS[status] or "status " .. status
end


-- What to send back on a frame, a final answer, and why.
local function take(kind, flags, payload)
    if kind == DATA and #payload >= 5 then
        return nil, judge(payload, flags)
    elseif kind == SETTINGS and flags % 2 == 0 then
        return frame(SETTINGS, ACK, 0, "")
    elseif kind == PING and flags % 2 == 0 then
        return frame(PING, ACK, 0, payload)
    elseif kind == RESET or kind == GOAWAY or kind == HEADERS and flags % 2 == END_STREAM then
        return nil, false, "no answer to the health call"
    end
end


-- Ask over a connection: true, or false and why not.
function _M.ask(socket, authority, service)
    local ok, err = socket:send(request(authority, service))
    if not ok then
        return false, err
    end
    for _ = 1, MOST_FRAMES do
        local kind, flags, payload = read_frame(socket)
        if not kind then
            return false, flags
        end
        local reply, good, why = take(kind, flags, payload)
        if good ~= nil then
            return good, why
        end
        if reply then
            socket:send(reply)
        end
    end
    return false, "too many frames"
end


return _M

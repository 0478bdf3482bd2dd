-- Own answers to gRPC calls: "trailers-only", that is HTTP 200 with the status of the call in the header, and no body.
--
-- The status is the one that a client would derive from the HTTP status by gRPC's own table (grpc/grpc,
-- doc/http-grpc-status-mapping.md): what this table does not name is UNKNOWN, redirects too, which no gRPC client follows.
-- One answer differs, because the client can act on it: a message that is too large is RESOURCE_EXHAUSTED.

local get = require("tidegate.variables").get

local byte, format, gsub, sub = string.byte, string.format, string.gsub, string.sub

local TYPE = "application/grpc"
local PLUS, SEMICOLON, SPACE = 43, 59, 32

local UNKNOWN = 2
local STATUS = {
    [400] = 13,     -- INTERNAL
    [401] = 16,     -- UNAUTHENTICATED
    [403] = 7,      -- PERMISSION_DENIED
    [404] = 12,     -- UNIMPLEMENTED
    [413] = 8,      -- RESOURCE_EXHAUSTED
    [429] = 14,     -- UNAVAILABLE
    [502] = 14,
    [503] = 14,
    [504] = 14,
}

local WORDS = {
    [400] = "bad request",
    [401] = "authentication is required",
    [403] = "forbidden",
    [404] = "no route leads to this host and method",
    [405] = "the HTTP method is not allowed",
    [413] = "the request is too large",
    [421] = "misdirected request",
    [429] = "too many requests",
    [500] = "internal error",
    [502] = "no backend could be reached",
    [503] = "unavailable",
    [504] = "the backend did not answer in time",
}

local _M = {}


-- Tell whether a content type is that of gRPC: application/grpc, with +proto and the like or a parameter; not grpc-web,
-- whose clients are browsers and read HTTP statuses.
function _M.is_type(content_type)
    if not content_type or sub(content_type, 1, #TYPE) ~= TYPE then
        return false
    end
    local after = byte(content_type, #TYPE + 1)
    return after == nil or after == PLUS or after == SEMICOLON or after == SPACE
end


-- Tell whether the request is a gRPC call.
function _M.is_call()
    return _M.is_type(get "content_type")
end


function _M.status_of(code)
    return STATUS[code] or UNKNOWN
end


-- What may stand in grpc-message as it is: printable ASCII but for the percent sign.
function _M.encode(text)
    return (gsub(text, "[^ -$&-~]", function(char)
        return format("%%%02X", byte(char))
    end))
end


local function words(code, location)
    if location ~= "" then
        return "redirected to " .. location
    end
    return WORDS[code] or "no answer from the backend"
end


-- Content phase: answer the call instead of with an HTTP status. `location` is where a redirect would lead, else empty.
function _M.answer(code, location)
    local header = ngx.header
    ngx.status = 200
    header.content_type = "application/grpc"
    -- With no length, the header would not be the last frame of the stream.
    header.content_length = 0
    header.grpc_status = _M.status_of(code)
    header.grpc_message = _M.encode(words(code, location) .. " (HTTP " .. code .. ")")
    ngx.send_headers()
    return ngx.exit(200)
end


return _M

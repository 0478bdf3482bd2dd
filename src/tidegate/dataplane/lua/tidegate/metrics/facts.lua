-- What a request took and how much of it there was, read from nginx's own structures at the price of a load each; as
-- variables they would be printed to text and read again.
--
-- The places are those of the nginx that is installed. They are compared with the variables at the first requests of each
-- worker; if any value differs, variables are asked from then on.

local ffi = require "ffi"
local base = require "resty.core.base"
require "resty.core.time"
local get = require("tidegate.variables").get

local C = ffi.C
local cast = ffi.cast
local get_request = base.get_request
local floor = math.floor
local tonumber = tonumber
local match = string.match

local COMPARED = 64         -- requests of a worker
local LENGTH_AT = 1120         -- of request_length in ngx_http_request_t
local MAGIC = 0x50545448    -- "HTTP"

-- The starts of ngx_connection_t, ngx_http_request_t, ngx_array_t, and ngx_http_upstream_state_t; numbers that stay small
-- by their lower half, since 64-bit ones would be objects.
ffi.cdef [[
typedef struct {
    void *data, *read, *write;
    int fd;
    void *recv, *send, *recv_chain, *send_chain, *listening;
    int32_t sent; uint32_t sent_high;
} tidegate_fact_connection;
typedef struct {
    int32_t status, status_high, response_time, response_high, connect_time, connect_high, header_time, header_high;
    char rest[40];
} tidegate_fact_state;
typedef struct { tidegate_fact_state *states; int32_t count, count_high; } tidegate_fact_states;
typedef struct {
    uint32_t signature;
    tidegate_fact_connection *connection;
    void *ctx, *main_conf, *srv_conf, *loc_conf, *read, *write, *cache, *upstream;
    tidegate_fact_states *states;
} tidegate_fact_request;
double ngx_http_lua_ffi_now(void);
double ngx_http_lua_ffi_req_start_time(ngx_http_request_t *r);
]]

local request_type = ffi.typeof("tidegate_fact_request *")
local bytes_type = ffi.typeof("char *")
local number_type = ffi.typeof("uint32_t *")

local left = COMPARED
local direct = true

local _M = {
    sent = 0, received = 0,     -- bytes
    -- Milliseconds at the one endpoint that was asked; -1: none, or several, or it did not come to that.
    response = -1, connect = -1, header = -1,
}


-- Milliseconds since the request began.
function _M.duration()
    local seconds = C.ngx_http_lua_ffi_now() - C.ngx_http_lua_ffi_req_start_time(get_request())
    local ms = floor(seconds * 1000 + 0.5)
    return ms > 0 and ms or 0
end


local function ms_of(name)
    local text = get(name)
    local seconds = text and match(text, "^[%d.]+$")
    return seconds and floor(seconds * 1000 + 0.5) or -1
end


local function read_variables()
    _M.sent = tonumber(get "bytes_sent") or 0
    _M.received = tonumber(get "request_length") or 0
    _M.response = ms_of "upstream_response_time"
    _M.connect = ms_of "upstream_connect_time"
    _M.header = ms_of "upstream_header_time"
end


local function read()
    local r = cast(request_type, get_request())
    local connection = r.connection
    _M.sent = connection.sent_high * 4294967296 + connection.sent
    if connection.sent < 0 then
        _M.sent = _M.sent + 4294967296
    end
    local length = cast(number_type, cast(bytes_type, r) + LENGTH_AT)
    _M.received = length[1] * 4294967296 + length[0]
    local states = r.states
    if states ~= nil and states.count == 1 then
        local state = states.states
        _M.response, _M.connect, _M.header = state.response_time, state.connect_time, state.header_time
    else
        _M.response, _M.connect, _M.header = -1, -1, -1
    end
end


local function compare()
    left = left - 1
    local is_request = cast(request_type, get_request()).signature == MAGIC
    if is_request then
        read()
    end
    local sent, received = _M.sent, _M.received
    local response, connect, header = _M.response, _M.connect, _M.header
    read_variables()
    if not is_request or sent ~= _M.sent or received ~= _M.received or response ~= _M.response
        or connect ~= _M.connect or header ~= _M.header then
        direct = false
        ngx.log(ngx.WARN, "this nginx keeps elsewhere what metrics need: variables are asked")
    end
end


-- Take the facts of the request that ends now.
function _M.take()
    if direct and left <= 0 then
        return read()
    elseif direct then
        return compare()
    end
    return read_variables()
end


function _M.is_direct()
    return direct
end


return _M

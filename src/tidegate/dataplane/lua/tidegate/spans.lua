-- What is told of requests that are part of a recorded trace.
--
-- One line of JSON for each goes into a named pipe, from which another process makes spans and sends them. The pipe holds as
-- much as the kernel lets it; what does not fit is dropped and counted, so that neither that process nor any collector is
-- ever waited for. Both ends are held open here: a pipe without a reader is only one that fills up.
--
-- Nothing here is reached unless a collector is configured, and no request pays for it but those of routes that are traced,
-- and two comparisons for the others beside them.

local ffi = require "ffi"
local cjson = require "cjson"
local routes = require "tidegate.routes"
local tracing = require "tidegate.tracing"
local variables = require "tidegate.variables"

local C = ffi.C
local get, status = variables.get, variables.status
local control = ngx.shared.tidegate_control
local ngx_now = ngx.now
local start_time = ngx.req.start_time
local sub = string.sub
local tonumber = tonumber

ffi.cdef [[
int fileno(void *stream);
int fcntl(int fd, int command, ...);
ssize_t write(int fd, const void *data, size_t size);
]]

local PIPE = "../../traces"     -- below the state folder; made by who configures
local SET_FLAGS, NONBLOCK = 4, 0x800
local SET_SIZE, SIZE = 1031, 1024 * 1024
local MOST = 4096               -- bytes that are written as a whole or not at all (PIPE_BUF)
local LOST = "spans_lost"

local _M = {}

local file, fd                  -- the file is held, or its descriptor would be closed


-- When each try began.
local function note_try()
    local known = tracing.known()
    if known then
        local tries = known.tries or {}
        tries[#tries + 1] = ngx_now()
        known.tries = tries
    end
end


local function text(variable, most)
    local value = get(variable)
    return value and value ~= "" and sub(value, 1, most) or nil
end


local function describe(known)
    local route = get "tg_route" or ""
    known.namespace, known.ingress, known.service = routes.names(route)
    known.name = routes.route(route).plan.span_name
    known.start, known.took = start_time(), tonumber(get "request_time")
    known.status = status()
    known.method, known.scheme = text("request_method", 32), get "scheme"
    known.protocol = get "server_protocol"
    known.host, known.client, known.id = text("host", 255), get "remote_addr", text("tg_request_id", 128)
    known.uri, known.agent = text("request_uri", 1024), text("http_user_agent", 256)
    known.lost = control:get(LOST)
    known.bytes = tonumber(get "bytes_sent")
    known.addresses, known.statuses = text("upstream_addr", 512), text("upstream_status", 256)
    known.times = text("upstream_response_time", 256)
    return known
end


local function tell(known)
    local line = cjson.encode(describe(known)) .. "\n"
    if #line > MOST then
        known.uri, known.agent = nil, nil
        line = cjson.encode(known) .. "\n"
    end
    if #line > MOST or not fd or C.write(fd, line, #line) ~= #line then
        control:incr(LOST, 1, 0)
    end
end


-- Log phase.
local function finish()
    local known = tracing.known()
    if known then
        tracing.forget(known)
        tell(known)
    end
end


-- Spans that did not fit into the pipe, of all workers.
function _M.lost()
    return control:get(LOST) or 0
end


local function open_pipe()
    local err
    file, err = io.open(PIPE, "r+")
    if not file then
        ngx.log(ngx.ERR, "no spans are exported: ", err)
        return
    end
    fd = C.fileno(file)
    C.fcntl(fd, SET_FLAGS, ffi.cast("int", NONBLOCK))
    C.fcntl(fd, SET_SIZE, ffi.cast("int", SIZE))
end


-- In init_by_lua, in the master: workers inherit the pipe, which they may not open. Gives the balancer and the log phase
-- with what is added to them.
function _M.around(balance, log)
    open_pipe()
    return function()
        if tracing.count > 0 then
            note_try()
        end
        return balance()
    end, function()
        log()
        if tracing.count > 0 then
            finish()
        end
    end
end


return _M

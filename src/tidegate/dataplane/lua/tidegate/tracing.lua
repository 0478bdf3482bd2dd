-- The trace that a request is part of (W3C Trace Context): taken from the client or begun here, and told to the backend.
-- What is told of requests when they have ended is `spans.lua`'s.

local bit = require "bit"
local request_id = require "tidegate.request_id"
local variables = require "tidegate.variables"

local get, set = variables.get, variables.set
local set_header, clear_header = ngx.req.set_header, ngx.req.clear_header
local match, sub, rep = string.match, string.sub, string.rep
local tonumber = tonumber

local NO_TRACE, NO_SPAN = rep("0", 32), rep("0", 16)
local DIGITS = 0x10000000000000 -- 16 ^ 13, which a number holds exactly

local _M = { count = 0 }        -- recorded requests under way in this worker

local open = {}                 -- id of a request's span -> what is known of it, while it is under way


-- Trace, span and flags of a traceparent header, or nil.
function _M.parse(header)
    local version, trace, span, flags, rest = match(header, "^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$")
    if not version or version == "ff" or #trace ~= 32 or #span ~= 16 or header ~= header:lower() then
        return nil
    end
    -- Later versions may go on behind another dash; this one may not.
    if trace == NO_TRACE or span == NO_SPAN or rest ~= "" and (version == "00" or sub(rest, 1, 1) ~= "-") then
        return nil
    end
    return trace, span, tonumber(flags, 16)
end


-- Whether a trace that begins here is recorded: the same for a trace wherever it is asked.
function _M.is_sampled(how, trace)
    if how.sampler == "TraceIdRatioBased" then
        return tonumber(sub(trace, 20), 16) < how.ratio * DIGITS
    end
    return how.sampler ~= "AlwaysOff"
end


-- Set phase of a route that is traced.
function _M.begin(how)
    local header = how.trusts and get "http_traceparent"
    local trace, parent, flags
    if header then
        trace, parent, flags = _M.parse(header)
    end
    local is_recorded
    if trace and how.asks_parent then
        is_recorded = bit.band(flags, 1) == 1
    end
    if not trace then
        trace = request_id.fresh(32)
        clear_header "tracestate"
    end
    if is_recorded == nil then
        is_recorded = _M.is_sampled(how, trace)
    end
    local span = request_id.fresh(16)
    set_header("traceparent", "00-" .. trace .. "-" .. span .. (is_recorded and "-01" or "-00"))
    if is_recorded then
        open[span] = { trace = trace, span = span, parent = parent }
        _M.count = _M.count + 1
        set("tg_trace", span, 16)
    end
end


-- What is known of the request of this phase, or nil.
function _M.known()
    local span = get "tg_trace"
    return span and open[span]
end


-- The request has ended.
function _M.forget(known)
    open[known.span] = nil
    _M.count = _M.count - 1
end


return _M

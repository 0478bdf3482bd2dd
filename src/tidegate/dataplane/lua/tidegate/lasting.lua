-- Requests that last: WebSocket and server-sent events. They have timeouts of their own, in place of the usual ones, unless
-- the route has explicit ones. (gRPC streams by nature: its locations have those timeouts from the start.)
--
-- Server-sent events are known by an Accept header that is nothing else, as browsers send it: what the answer will be is
-- known too late.

local conf = require "tidegate.settings"
local set_timeouts = require("ngx.balancer").set_timeouts
local get = require("tidegate.variables").get

local tonumber = tonumber

local EVENTS = "text/event-stream"

local _M = {}


-- Tell whether this request streams.
function _M.is_one()
    return get "tg_upgrade" == "websocket" or get "http_accept" == EVENTS
end


-- Rewrite phase of the locations of the default profile to which requests jump: the jump passes the place where nginx
-- judges the length of a body.
function _M.judge_body()
    local limit = conf.profiles[""] or 0
    local length = limit > 0 and get "content_length" or nil
    if length and (tonumber(length) or 0) > limit then
        return ngx.exit(413)
    end
end


-- Balancer phase: apply the timeouts of a plan, as features/timeouts.lua makes them.
function _M.apply(timeouts)
    local connect, send, read = timeouts.connect, timeouts.send, timeouts.read
    if timeouts.differs and _M.is_one() then
        send, read = timeouts.stream_send, timeouts.stream_read
    end
    if connect or send or read then
        set_timeouts(connect, send, read)
    end
end


return _M

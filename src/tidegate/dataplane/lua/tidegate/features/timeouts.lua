-- Timeouts and tries of a route where they differ from what its location in nginx.conf says. Used in the balancer phase.
--
-- `differs` says that a request that lasts (see lasting.lua) has others than an ordinary one; where it is false, the
-- location to which it jumps has them already.

local conf = require "tidegate.settings"

local _M = {}


-- An override holds for every request; the global settings only where nginx.conf is behind.
local function other(get, overrides, key, usual)
    local value = get(key)
    if overrides[key] or value ~= usual then
        return value
    end
end


local function timeouts_of(get, plan, overrides)
    local usual, stream = conf.timeouts, conf.stream_timeout
    local timeouts = {
        connect = other(get, overrides, "connect_timeout", usual.connect),
        send = other(get, overrides, "send_timeout", usual.send),
        read = other(get, overrides, "read_timeout", usual.read),
        stream_send = overrides.send_timeout or stream,
        stream_read = overrides.read_timeout or stream,
    }
    if plan.protocol == "grpc" or plan.protocol == "grpcs" then
        timeouts.send, timeouts.read = overrides.send_timeout, overrides.read_timeout
    else
        timeouts.differs = plan.profile_id ~= "" or timeouts.send ~= overrides.send_timeout
            or timeouts.read ~= overrides.read_timeout
    end
    if timeouts.connect or timeouts.send or timeouts.read or timeouts.differs then
        return timeouts
    end
end


function _M.prepare(get, plan, entry)
    plan.timeouts = timeouts_of(get, plan, entry.o or {})
    -- Negative, for no limit: each endpoint once. More would only multiply the load on a backend in trouble.
    plan.tries_once = conf.tries_once[plan.profile_id]
    plan.more_tries = (get "tries" or conf.tries) - 1
end


return _M

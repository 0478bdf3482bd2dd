-- Timeouts and tries of a route where they differ from what nginx.conf says. Used in the balancer phase.

local conf = require "tidegate.settings"

local _M = {}


function _M.prepare(get, plan)
    local connect, send, read = get "connect_timeout", get "send_timeout", get "read_timeout"
    local usual = conf.timeouts
    if (connect or usual.connect) ~= usual.connect or (send or usual.send) ~= usual.send
        or (read or usual.read) ~= usual.read then
        plan.timeouts = { connect or usual.connect, send or usual.send, read or usual.read }
    end
    -- Negative, for no limit: each endpoint once. More would only multiply the load on a backend in trouble.
    plan.more_tries = (get "tries" or conf.tries) - 1
end


return _M

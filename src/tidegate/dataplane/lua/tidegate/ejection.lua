-- Endpoints that could not be connected to are passed over for a while, by this worker.
--
-- One failed try is enough. A connection of the worker's own then tells whether the endpoint is really gone, and again
-- every few moments whether it is back, so that no client's request is spent on finding out. Trouble of this machine (no
-- local port left) is nobody's fault and ejects nobody. If all endpoints of a backend are down, they are used as if none
-- were.

local clock = ngx.now
local match = string.match

local FIRST_LOOK = 0.05         -- seconds
local LOOK_AGAIN = 1
local FORGET = 60               -- then the next request finds out
local PATIENCE = 1000           -- milliseconds for a connection
local MOST = 1000               -- endpoints looked after; more at once are trouble of the network

local _M = {
    count = 0,
    names = {},                 -- "address:port", as nginx writes it -> since when
}


local function forget(name)
    if _M.names[name] then
        _M.names[name] = nil
        _M.count = _M.count - 1
    end
end


-- Whether the endpoint refuses or does not answer; false also if nothing can be said.
local function is_down(name)
    local host, port = match(name, "^(.*):(%d+)$")
    if not host then
        return false
    end
    local socket = ngx.socket.tcp()
    socket:settimeout(PATIENCE)
    local ok, err = socket:connect(host, tonumber(port))
    if ok then
        socket:close()
        return false
    end
    return err == "connection refused" or err == "timeout" or err == "no route to host"
        or err == "connection reset by peer"
end


local function look(premature, name)
    local since = _M.names[name]
    if premature or not since then
        return
    end
    if clock() - since > FORGET or not is_down(name) or not ngx.timer.at(LOOK_AGAIN, look, name) then
        forget(name)
    end
end


-- Pass this endpoint over from now on.
function _M.eject(name)
    if _M.names[name] or _M.count >= MOST or not ngx.timer.at(FIRST_LOOK, look, name) then
        return
    end
    _M.names[name] = clock()
    _M.count = _M.count + 1
    ngx.log(ngx.WARN, "endpoint ", name, " cannot be reached and is passed over")
end


return _M

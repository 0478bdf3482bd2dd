-- Tells balancers when the requests end that they have sent to an endpoint. Only those that ask for it pay.
--
-- A request is known by its address: unlike `ngx.ctx` it outlives an internal redirect to an error page. One whose end was
-- never told, because it was no request of a client, is settled when its address is used again.

local ffi_cast = require("ffi").cast
local get_request = require("resty.core.base").get_request
local get = require("tidegate.variables").get

local tonumber = tonumber
local match = string.match

local records = {}      -- address of the request -> who is told; and in `peers`, of which endpoint
local peers = {}

local _M = { open = 0 }


local function address()
    return tonumber(ffi_cast("uintptr_t", get_request()))
end


local function settle(key, has_failed, seconds)
    local balance, peer = records[key], peers[key]
    if balance then
        records[key], peers[key] = nil, nil
        _M.open = _M.open - 1
        balance.done(peer, has_failed, seconds)
    end
end


-- In the balancer phase: the request goes to an endpoint; if it went to another one before, that one has failed. The end is
-- told by `balance.done(peer, has_failed, seconds)`; seconds to the head of the answer, nil if there was none.
function _M.begin(balance, peer)
    local key = address()
    if records[key] then
        settle(key, true)
    end
    records[key], peers[key] = balance, peer
    _M.open = _M.open + 1
end


-- Have another told of the end of the same try, as `begin` does.
function _M.also(balance, peer)
    local key = address()
    local first, first_peer = records[key], peers[key]
    if not first then
        return _M.begin(balance, peer)
    end
    peers[key] = peer
    records[key] = {
        done = function(_, has_failed, seconds)
            first.done(first_peer, has_failed, seconds)
            balance.done(peer, has_failed, seconds)
        end,
    }
end


-- In the balancer phase, while some are open: the try before this one has failed.
function _M.fail()
    settle(address(), true)
end


-- In the log phase of any request, while some are open.
function _M.finish()
    local key = address()
    if records[key] then
        local seconds = tonumber(match(get "upstream_header_time" or "", "[%d.]+$"))
        settle(key, not seconds, seconds)
    end
end


return _M

-- Who the client is. nginx says it, but for one case: with the PROXY protocol and forwarded headers both, nginx can look
-- at only one of them. Then it takes the PROXY protocol's word, and here the list of the forwarding header is followed
-- from whom that names: the client is the last address that is not a trusted peer's, as real_ip_recursive has it.

local conf = require "tidegate.settings"
local networks = require "tidegate.networks"

local var = ngx.var
local match, gmatch = string.match, string.gmatch

local _M = {}

local trusted       -- networks whose word counts; compiled when first asked for


-- An address without port and brackets.
local function address_of(item)
    return match(item, "^%[([%x:.]+)%]") or match(item, "^(%d+%.%d+%.%d+%.%d+)") or item
end


local function walk(address, header)
    trusted = trusted or networks.compile(conf.trusted)
    local items, n = {}, 0
    for item in gmatch(header, "[^,%s]+") do
        n = n + 1
        items[n] = item
    end
    local binary = networks.binary(address)
    while n > 0 and binary and networks.contain(trusted, binary) do
        local next_address = address_of(items[n])
        binary = networks.binary(next_address)
        if not binary then
            break
        end
        address, n = next_address, n - 1
    end
    return address
end


-- Set phase of a chained gateway, before everything else: the client's address as text.
function _M.find()
    local header = var["http_" .. conf.forwarded_for]
    local address = var.remote_addr
    if not header then
        return address
    end
    return walk(address, header)
end


-- The client's address in 4 or 16 bytes; for features that decide by it.
function _M.binary()
    if conf.is_chained then
        return networks.binary(var.tg_client) or ""
    end
    return var.binary_remote_addr
end


return _M

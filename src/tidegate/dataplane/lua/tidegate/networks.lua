-- Sets of networks, asked with nginx's $binary_remote_addr (4 or 16 bytes).

local ffi = require "ffi"
local bit = require "bit"

local byte, sub, find = string.byte, string.sub, string.find
local band = bit.band
local ipairs, tonumber = ipairs, tonumber

ffi.cdef [[
int inet_pton(int af, const char *src, void *dst);
]]

local AF_INET, AF_INET6 = 2, 10
local buffer = ffi.new("unsigned char[16]")

local _M = {}


local function parse(text)
    local slash = find(text, "/", 1, true)
    local address = slash and sub(text, 1, slash - 1) or text
    local is_v6 = find(address, ":", 1, true)
    local size = is_v6 and 16 or 4
    if ffi.C.inet_pton(is_v6 and AF_INET6 or AF_INET, address, buffer) ~= 1 then
        return nil
    end
    local bits = slash and tonumber(sub(text, slash + 1)) or size * 8
    local whole, rest = (bits - bits % 8) / 8, bits % 8
    local bytes = ffi.string(buffer, size)
    local mask = rest > 0 and 256 - 2 ^ (8 - rest) or nil
    return {
        size = size, whole = whole, start = sub(bytes, 1, whole),
        mask = mask, last = mask and band(byte(bytes, whole + 1), mask),
    }
end


local function holds(network, address)
    return #address == network.size
        and sub(address, 1, network.whole) == network.start
        and (not network.mask or band(byte(address, network.whole + 1), network.mask) == network.last)
end


-- An address as nginx's $binary_remote_addr has it, or nil if the text is none.
function _M.binary(text)
    local is_v6 = find(text, ":", 1, true)
    if ffi.C.inet_pton(is_v6 and AF_INET6 or AF_INET, text, buffer) == 1 then
        return ffi.string(buffer, is_v6 and 16 or 4)
    end
end


-- Compile a list of CIDRs. One that cannot be read matches nothing, so that an allow list fails closed.
function _M.compile(cidrs)
    local networks = {}
    for _, text in ipairs(cidrs) do
        networks[#networks + 1] = parse(text)
    end
    return networks
end


function _M.contain(networks, address)
    for i = 1, #networks do
        if holds(networks[i], address) then
            return true
        end
    end
    return false
end


return _M

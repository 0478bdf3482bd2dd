-- Request ids: 32 hex digits, as nginx's $request_id has, at a twentieth of its price.
--
-- nginx asks OpenSSL for 16 random bytes at every request, which is 4,000 instructions. An id has to be unique, not secret
-- (a client may choose its own), so here each worker seeds a generator from the system's entropy once and goes on from
-- there: xoshiro128** of D. Blackman and S. Vigna, four 32-bit words of state, period 2^128 - 1.

local ffi = require "ffi"
local bit = require "bit"
local set = require("tidegate.variables").set

local band, bxor, lshift, rshift, rol = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.rol

local WORDS = 4
local state = ffi.new("int32_t[?]", WORDS)
local digits = ffi.new("uint16_t[256]")         -- byte -> its two hex digits, in the order of memory
local id = ffi.new("union { uint16_t pairs[16]; unsigned char text[32]; }")

for byte = 0, 255 do
    ffi.copy(digits + byte, string.format("%02x", byte), 2)
end

local _M = {}


-- In init_worker_by_lua.
function _M.seed()
    local file = assert(io.open("/dev/urandom", "rb"))
    ffi.copy(state, file:read(WORDS * 4), WORDS * 4)
    file:close()
    state[0] = state[0] == 0 and 1 or state[0]      -- all zero is the one state it never leaves
end


local function times(x, shift)
    return bit.tobit(lshift(x, shift) + x)
end


local function word()
    local s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    local result = times(rol(times(s1, 2), 7), 3)
    s2, s3 = bxor(s2, s0), bxor(s3, s1)
    state[1], state[0] = bxor(s1, s2), bxor(s0, s3)
    state[2], state[3] = bxor(s2, lshift(s1, 9)), rol(s3, 11)
    return result
end


local function write(at, value)
    id.pairs[at] = digits[band(value, 255)]
    id.pairs[at + 1] = digits[band(rshift(value, 8), 255)]
    id.pairs[at + 2] = digits[band(rshift(value, 16), 255)]
    id.pairs[at + 3] = digits[rshift(value, 24)]
end


-- A text of `size` random hex digits, 32 at most.
function _M.fresh(size)
    for at = 0, size / 2 - 1, 4 do
        write(at, word())
    end
    return ffi.string(id.text, size)
end


-- Give the request an id of its own, in $tg_fresh_id.
function _M.assign()
    write(0, word())
    write(4, word())
    write(8, word())
    write(12, word())
    set("tg_fresh_id", id.text, 32)
end


return _M

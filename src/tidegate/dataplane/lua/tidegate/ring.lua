-- Consistent hashing (ketama): each member has 160 places on a ring of 2^32, a key belongs to the next place. A member
-- that comes or goes moves only the keys of its own places.

local ffi = require "ffi"

local crc32 = ngx.crc32_long
local band, bnot, bxor, tobit = bit.band, bit.bnot, bit.bxor, bit.tobit
local lshift, rshift = bit.lshift, bit.rshift

local POINTS = 160
local STEP = 0x9E3779B9     -- 2^32 by the golden ratio: spreads what follows each other
local DIGIT_BITS, DIGITS = 11, 2048

local numbers = ffi.typeof "uint32_t[?]"
local counts = ffi.new("int32_t[?]", DIGITS)

local _M = {}
local mt = { __index = _M }


-- Thomas Wang's mix of 32 bits: the checksum alone is linear, so that like names would have like places.
local function mixed(x)
    x = tobit(bnot(x) + lshift(x, 15))
    x = bxor(x, rshift(x, 12))
    x = tobit(x + lshift(x, 2))
    x = bxor(x, rshift(x, 4))
    x = tobit(x + lshift(x, 3) + lshift(x, 11))
    return bxor(x, rshift(x, 16))
end


-- Place of a key on the ring.
local function place(key)
    local x = mixed(tobit(crc32(key)))
    return x < 0 and x + 4294967296 or x
end


-- One pass of a radix sort: by the digit that begins at a bit, stable.
local function pass(places, owners, to_places, to_owners, n, shift)
    ffi.fill(counts, ffi.sizeof(counts))
    for i = 0, n - 1 do
        local digit = band(rshift(places[i], shift), DIGITS - 1)
        counts[digit] = counts[digit] + 1
    end
    local sum = 0
    for digit = 0, DIGITS - 1 do
        local here = counts[digit]
        counts[digit] = sum
        sum = sum + here
    end
    for i = 0, n - 1 do
        local digit = band(rshift(places[i], shift), DIGITS - 1)
        local at = counts[digit]
        counts[digit] = at + 1
        to_places[at], to_owners[at] = places[i], owners[i]
    end
end


-- Make a ring of the first `count` names; a member is known by its number, from 1.
function _M.new(names, count)
    local n = count * POINTS
    local places, owners = numbers(n), numbers(n)
    local to_places, to_owners = numbers(n), numbers(n)
    for i = 1, count do
        local seed = crc32(names[i])
        for j = 0, POINTS - 1 do
            local at = (i - 1) * POINTS + j
            local x = mixed(tobit(seed + j * STEP))
            places[at], owners[at] = x < 0 and x + 4294967296 or x, i
        end
    end
    for shift = 0, 2 * DIGIT_BITS, DIGIT_BITS do
        pass(places, owners, to_places, to_owners, n, shift)
        places, owners, to_places, to_owners = to_places, to_owners, places, owners
    end
    return setmetatable({ places = places, owners = owners, n = n }, mt)
end


local function position(self, key)
    local places, wanted = self.places, place(key)
    local low, high = 0, self.n
    while low < high do
        local middle = rshift(low + high, 1)
        if places[middle] < wanted then
            low = middle + 1
        else
            high = middle
        end
    end
    return low < self.n and low or 0
end


-- Number of the member that a key belongs to, or, if `is_refused(number)` says so, of the next one on the ring that is not
-- refused; nil if there is none.
function _M.find(self, key, is_refused)
    if self.n == 0 then
        return nil
    end
    local owners, at = self.owners, position(self, key)
    if not is_refused then
        return owners[at]
    end
    for step = 0, self.n - 1 do
        local owner = owners[(at + step) % self.n]
        if not is_refused(owner) then
            return owner
        end
    end
end


return _M

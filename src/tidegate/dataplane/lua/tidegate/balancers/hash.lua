-- Consistent hash (`upstream-hash-by`): requests with the same key go to the same endpoint, or, with subsets, to one of the
-- same few. A request whose key is empty has its turn by round robin.

local ring = require "tidegate.ring"
local round_robin = require "tidegate.balancers.round_robin"
local templates = require "tidegate.templates"

local ceil, random = math.ceil, math.random

local _M = {}


-- Subsets of equal size (reference g.12): the last is filled up from the front.
local function subsets_of(count, size)
    local subsets = {}
    for n = 1, ceil(count / size) do
        local members = {}
        for i = 1, size do
            members[i] = ((n - 1) * size + i - 1) % count + 1
        end
        subsets[n] = members
    end
    return subsets
end


function _M.prepare(balance, names, _, entry, count)
    local hash = entry.hash
    balance.key = hash.key
    if (hash.subset or 0) > 0 and count > 0 then
        balance.subsets = subsets_of(count, hash.subset)
        names = {}
        for n = 1, #balance.subsets do
            names[n] = "set" .. n
        end
        count = #names
    end
    balance.ring_names, balance.ring_count = names, count
end


local function one_of(members, names, tried)
    local at = random(#members)
    for _ = 1, #members do
        if not (tried and tried[names[members[at]]]) then
            return members[at]
        end
        at = at < #members and at + 1 or 1
    end
end


function _M.pick(backend, tried)
    local balance = backend.balance
    local key = templates.text(balance.key)
    if key == "" then
        return round_robin.pick(backend, tried)
    end
    -- Made when it is first needed: endpoints that change faster than requests come cost nothing.
    balance.ring = balance.ring or ring.new(balance.ring_names, balance.ring_count)
    local names, subsets = balance.names, balance.subsets
    if subsets then
        return one_of(subsets[balance.ring:find(key)], names, tried) or round_robin.pick(backend, tried)
    end
    local found = balance.ring:find(key, tried and function(number)
        return tried[names[number]]
    end)
    return found or round_robin.pick(backend, tried)
end


return _M

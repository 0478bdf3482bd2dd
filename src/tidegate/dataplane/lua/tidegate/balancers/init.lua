-- How the next endpoint of a backend is chosen.
--
-- Plain round robin needs nothing: such a backend has no `balance`, and requests take the short way. Any other has one,
-- with what makes it special: an algorithm, session affinity, a canary beside it. An algorithm is a module with
-- `prepare(balance, names, before, entry, count)`, called once for each version of the backend (`before` is the balance of
-- the version before, if the algorithm is the same), and `pick(backend, tried)`, which gives the number of an endpoint that
-- may take a new request. `tried` is a set of names, "address:port", or nil on the first try. Endpoints that drain come
-- after all others, with numbers above `backend.count`.

local round_robin = require "tidegate.balancers.round_robin"

local ALGORITHMS = {
    ewma = require "tidegate.balancers.ewma",
    hash = require "tidegate.balancers.hash",
    least_pending = require "tidegate.balancers.least_pending",
}

local _M = {}


local function names_of(peers)
    local names = {}
    for i = 1, #peers / 2 do
        names[i] = peers[2 * i - 1] .. ":" .. peers[2 * i]
    end
    return names
end


-- What is special about a backend, made of its entry and the global settings; nil for plain round robin.
function _M.prepare(entry, values, peers, count, before)
    local name = entry.alg or values.load_balance
    local algorithm = ALGORITHMS[name]
    if not (algorithm or entry.affinity or entry.canary) then
        return nil
    end
    local balance = {
        name = name,
        names = names_of(peers),
        pick = algorithm and algorithm.pick or round_robin.pick,
        affinity = entry.affinity,
        canary = entry.canary,
    }
    if algorithm then
        local same = before and before.name == name and before or nil
        algorithm.prepare(balance, balance.names, same, entry, count)
    end
    return balance
end


return _M

-- Least pending: the endpoint with the fewest requests of this worker on their way.
--
-- Each worker counts its own: a count shared with a worker that dies would stay too high for good. As each worker evens out
-- what it sends, their sum is even, too. The look begins where round robin stands, so that idle endpoints take turns; of
-- many endpoints only the next few are looked at.

local feedback = require "tidegate.feedback"

local min = math.min

local LOOKED_AT = 16

local _M = {}


function _M.done(peer)
    peer.pending = peer.pending - 1
end


-- Counts of endpoints that stay are kept.
function _M.prepare(balance, names, before)
    local old, peers, by_name = before and before.by_name or {}, {}, {}
    for i = 1, #names do
        local peer = old[names[i]] or { pending = 0 }
        peers[i], by_name[names[i]] = peer, peer
    end
    balance.peers, balance.by_name, balance.done = peers, by_name, _M.done
end


function _M.pick(backend, tried)
    local balance, cursor, count = backend.balance, backend.cursor, backend.count
    local peers, names = balance.peers, balance.names
    local at, best, least = cursor.last, nil, nil
    for _ = 1, tried and count or min(count, LOOKED_AT) do
        at = at < count and at + 1 or 1
        local pending = peers[at].pending
        if (not best or pending < least) and not (tried and tried[names[at]]) then
            best, least = at, pending
        end
    end
    best = best or at
    cursor.last = best
    peers[best].pending = peers[best].pending + 1
    feedback.begin(balance, peers[best])
    return best
end


return _M

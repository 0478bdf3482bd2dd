-- Round robin: each endpoint in its turn. The short way of balancer.lua does the same without a call; this is for those that
-- need an endpoint among others: a later try, a new session.

local _M = {}


local function next_of(cursor, count)
    local at = cursor.last + 1
    if at > count then
        at = 1
    end
    cursor.last = at
    return at
end


-- Number of the next endpoint; those tried already are passed over while there are others.
function _M.pick(backend, tried)
    local cursor, count, peers = backend.cursor, backend.count, backend.peers
    local at = next_of(cursor, count)
    if tried then
        for _ = 2, count do
            if not tried[peers[2 * at - 1] .. ":" .. peers[2 * at]] then
                break
            end
            at = next_of(cursor, count)
        end
    end
    return at
end


return _M

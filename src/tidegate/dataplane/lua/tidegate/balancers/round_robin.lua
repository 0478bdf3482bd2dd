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


-- Number of the next endpoint; those tried already (by the names of all) are passed over while there are others.
function _M.pick(backend, tried, names)
    local cursor, count = backend.cursor, backend.count
    local at = next_of(cursor, count)
    names = tried and (names or backend.balance and backend.balance.names)
    if names then
        for _ = 2, count do
            if not tried[names[at]] then
                break
            end
            at = next_of(cursor, count)
        end
    end
    return at
end


return _M

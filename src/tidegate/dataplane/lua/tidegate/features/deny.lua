-- A route whose protection could not be understood answers 503 and nothing else.

local _M = {}


local function refuse()
    -- Unlike @e503 it does not ask the client to come back soon.
    return "@d503"
end


function _M.prepare(_, _, entry)
    return entry.deny and refuse or nil
end


return _M

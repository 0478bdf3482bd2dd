-- A route whose protection could not be understood answers 503 and nothing else.

local answers = require "tidegate.answers"

local _M = {}


local function refuse()
    return answers.status(503)
end


function _M.prepare(_, _, entry)
    return entry.deny and refuse or nil
end


return _M

-- `permanent-redirect` and its kin: a fixed answer with a Location.

local answers = require "tidegate.answers"

local _M = {}


function _M.prepare(get)
    local redirect = get "redirect"
    if not redirect then
        return nil
    end
    return function()
        return answers.redirect(redirect[1], redirect[2])
    end
end


return _M

-- `permanent-redirect` and its kin: a fixed answer with a Location.

local answers = require "tidegate.answers"

local _M = {}


function _M.prepare(get, plan)
    plan.is_relative = get "relative_redirects"     -- of the redirect that adds a slash, which is the router's
    local redirect = get "redirect"
    if not redirect then
        return nil
    end
    return function()
        return answers.redirect(redirect[1], redirect[2])
    end
end


return _M

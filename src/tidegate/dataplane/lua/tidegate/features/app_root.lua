-- `app-root`: the root of a host leads elsewhere (reference a.1).

local answers = require "tidegate.answers"
local conf = require "tidegate.settings"

local var = ngx.var

local _M = {}


function _M.prepare(get)
    local path = get "app_root"
    if not path then
        return nil
    end
    return function()
        if var.uri == "/" then
            local scheme = conf.trusts_forwarded and var.tg_scheme or var.scheme
            return answers.redirect(302, scheme .. "://" .. var.tg_best_host .. path)
        end
    end
end


return _M

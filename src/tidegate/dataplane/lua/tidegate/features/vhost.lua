-- `upstream-vhost`: the Host header that the backend sees. The value is a list of literal, variable name, literal, …

local text = require("tidegate.templates").text
local var = ngx.var

local _M = {}


function _M.prepare(get, plan)
    local parts = get "upstream_vhost"
    if not parts then
        return nil
    end
    plan.has_own_host = true    -- the entry location sends the client's
    return function()
        var.tg_upstream_host = text(parts)
    end
end


return _M

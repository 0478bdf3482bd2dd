-- `upstream-vhost`: the Host header that the backend sees. The value is a list of literal, variable name, literal, …

local var = ngx.var
local concat = table.concat

-- Names that ingress-nginx has for what is called otherwise here.
local OURS = { best_http_host = "tg_best_host" }

local _M = {}


function _M.prepare(get, plan)
    local parts = get "upstream_vhost"
    if not parts then
        return nil
    end
    plan.has_own_host = true    -- the entry location sends the client's
    return function()
        local text = {}
        for i = 1, #parts do
            text[i] = i % 2 == 1 and parts[i] or var[OURS[parts[i]] or parts[i]] or ""
        end
        var.tg_upstream_host = concat(text)
    end
end


return _M

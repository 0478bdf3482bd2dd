-- Texts with variables in them: a list of literal, variable name, literal, … (odd places are literals).

local get = require("tidegate.variables").get

local concat = table.concat

-- Names that ingress-nginx has for what is called otherwise here.
local OURS = {
    best_http_host = "tg_best_host", the_real_ip = "remote_addr", fastcgi_script_name = "tg_script",
}

local _M = {}


-- Text of a template for the present request.
function _M.text(parts)
    local text = {}
    for i = 1, #parts do
        text[i] = i % 2 == 1 and parts[i] or get(OURS[parts[i]] or parts[i]) or ""
    end
    return concat(text)
end


return _M

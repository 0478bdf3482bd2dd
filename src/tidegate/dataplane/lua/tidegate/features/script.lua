-- `fastcgi-index` and the name of the script that a FastCGI backend is asked for: the path, and a file where it is a folder.

local byte = string.byte
local var = ngx.var

local SLASH = 47

local _M = {}


function _M.prepare(get, plan)
    if plan.protocol ~= "fcgi" then
        return nil
    end
    local index = get "script_index" or ""
    return function()
        local uri = var.uri
        var.tg_script = byte(uri, -1) == SLASH and uri .. index or uri
    end
end


return _M

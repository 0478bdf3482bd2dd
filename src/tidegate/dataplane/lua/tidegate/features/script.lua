-- FastCGI: the name of the script that a backend is asked for (the path, and where that is a folder the file of
-- `fastcgi-index`), and the parameters of `fastcgi-params-configmap`: their names stand in the location, their values here.

local conf = require "tidegate.settings"
local text = require("tidegate.templates").text

local byte = string.byte
local var = ngx.var

local SLASH = 47
local REFUSED = "@d503"

local _M = {}


local function refuse()
    return REFUSED
end


function _M.prepare(get, plan)
    if plan.protocol ~= "fcgi" then
        return nil
    end
    local index, params = get "script_index" or "", get "script_params"
    if (params and params.names) ~= conf.scripts[plan.profile_id] then
        -- A worker of an older configuration lacks the location: values must not get to other names.
        return refuse
    end
    local values = params and params.values or {}
    return function()
        local uri = var.uri
        var.tg_script = byte(uri, -1) == SLASH and uri .. index or uri
        for i = 1, #values do
            var["tg_param_" .. i] = text(values[i])
        end
    end
end


return _M

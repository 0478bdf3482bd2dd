-- TLS towards the backend (`backend-protocol`, `proxy-ssl-*`): the certificate that it is shown and the name that it has to
-- have go to nginx in variables.
--
-- A connection is kept for the next request of the same identity, in an upstream block of its own. So a request must not go
-- through the location of another one, nor without TLS where its Ingress asks for it: a worker of an older configuration,
-- which lacks the location, refuses.

local certificates = require "tidegate.certificates"
local conf = require "tidegate.settings"

local var = ngx.var

local REFUSED = "@d503"

local _M = {}


-- As nginx takes a certificate that is no file.
local function as_data(entry)
    return { chain = "data:" .. entry.crt, key = "data:" .. entry.key }
end


local function refuse()
    return REFUSED
end


function _M.prepare(get, plan, entry)
    local tls = get "backend_tls"
    if not tls then
        return nil
    end
    if conf.secured[plan.profile_id] ~= tls.id then
        return refuse
    end
    if tls.id == "" then
        return nil
    end
    local id, name = entry.c, tls.name
    return function()
        if id then
            local pair = certificates.find(id, as_data)
            if not pair then
                return REFUSED
            end
            var.tg_ssl_certificate, var.tg_ssl_key = pair.chain, pair.key
        end
        if name then
            var.tg_ssl_name = name
        end
    end
end


return _M

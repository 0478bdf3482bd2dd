-- The redirect from HTTP to HTTPS (reference g.9).
--
-- `ssl_redirect` asks that the host has a certificate mapping, `force_ssl_redirect` does not. The effective scheme is
-- that of the connection, or what a trusted peer says in X-Forwarded-Proto.

local answers = require "tidegate.answers"
local certificates = require "tidegate.certificates"
local conf = require "tidegate.settings"

local var = ngx.var
local match, sub = string.match, string.sub
local ipairs = ipairs

local _M = {}


-- Tell whether a path begins like one of those that are never redirected.
function _M.is_exempt(path, starts)
    for _, start in ipairs(starts or {}) do
        if sub(path, 1, #start) == start then
            return true
        end
    end
    return false
end


-- Host without port; the brackets of an IPv6 literal stay.
local function without_port(host)
    return match(host, "^%[[^%]]*%]") or match(host, "^[^:]*")
end


-- The final slash of the raw URI goes, as upstream does it: from "/" nothing is left (reference a.1).
local function target(get_port, keeps_slash)
    local uri = var.request_uri
    if not keeps_slash and sub(uri, -1) == "/" then
        uri = sub(uri, 1, -2)
    end
    local host = without_port(var.tg_best_host ~= "" and var.tg_best_host or var.host)
    return "https://" .. host .. get_port .. uri
end


-- Where a request to the plain port is sent, by the global settings.
function _M.target(settings)
    local port = settings.use_port_in_redirects and ":" .. conf.https_port or ""
    return target(port, settings.preserve_trailing_slash)
end


function _M.prepare(get, plan, entry)
    local forced = get "force_ssl_redirect"
    if not forced and not get "ssl_redirect" then
        return nil
    end
    if _M.is_exempt(entry.path or "", get "no_tls_redirect_locations") then
        return nil
    end
    plan.https_redirect = forced and "force" or "tls"
    local port = get "use_port_in_redirects" and ":" .. conf.https_port or ""
    local code, keeps_slash = get "http_redirect_code" or 308, get "preserve_trailing_slash"
    return function(host, is_tls)
        local is_http = not is_tls
        if conf.trusts_forwarded then
            is_http = var.tg_scheme == "http"
        end
        if is_http and (forced or certificates.is_tls(host)) then
            return answers.redirect(code, target(port, keeps_slash))
        end
    end
end


return _M

-- Hosts that ask their clients for certificates (reference g.16), and hosts that nobody may enter.
--
-- The handshake itself is the host's server block (see render/): nginx chooses it by server name and verifies. Here stands
-- what is asked of each request: that the connection was made for this very host, that the host's block is in force in this
-- worker, and that the certificate is what the host wants. Whatever is in doubt is refused.

local ffi = require "ffi"
local ssl = require "ngx.ssl"
local clienthello = require "ngx.ssl.clienthello"
require "resty.core.hash"
require "resty.core.regex"
local answers = require "tidegate.answers"
local conf = require "tidegate.settings"
local entries = require "tidegate.entries"
local errors = require "tidegate.errors"
local hosts = require "tidegate.hosts"
local https = require "tidegate.features.https"
local names = require "tidegate.names"
local get = require("tidegate.variables").get

ffi.cdef [[
    int SSL_set_session_id_context(void *ssl, const char *context, unsigned int length);
]]

local C = ffi.C
local var = ngx.var
local find, sub = string.find, string.sub
local re_find = ngx.re.find
local md5_bin = ngx.md5_bin

local FORBIDDEN, MISDIRECTED, BAD_CERTIFICATE = "@e403", "@e421", "@e400"
local MD5_LENGTH = 16
local NO_ROUTE = { id = "" }

local _M = {}


-- Client hello phase: sessions of a host with a server profile belong to that host and that profile alone. Without this a
-- session made under other authorities, or before a certificate was revoked, would be resumed and count as verified.
function _M.client_hello()
    local name = names.normal(clienthello.get_client_hello_server_name())
    if not name then
        return
    end
    local id = conf.servers[name] or conf.servers[names.wildcard(name) or ""]
    if not id then
        return
    end
    local context = md5_bin(id .. name)
    if C.SSL_set_session_id_context(ssl.get_req_ssl_pointer(), context, MD5_LENGTH) ~= 1 then
        ngx.log(ngx.ERR, "the TLS session could not be kept apart")
        return ngx.exit(ngx.ERROR)
    end
end


local function server_name()
    return names.normal(get "ssl_server_name")
end


-- The subject must match from the beginning of one of its parts: a tenant's authority may write "CN=admin" into another.
local function is_wanted(pattern, subject)
    return pattern == nil
        or (subject and re_find(subject, [[(?:^|(?<!\\),)(?:]] .. pattern .. ")", "jo") ~= nil)
end


local function tell_backend(client, verified)
    var.tg_client_verify = verified
    var.tg_client_subject = get "ssl_client_s_dn"
    var.tg_client_issuer = get "ssl_client_i_dn"
    if client.forward then
        var.tg_client_certificate = get "ssl_client_escaped_cert"
    end
end


local function is_error_page(client)
    return client.page and ngx.req.is_internal() and client.page == get "uri"
end


local function is_good(client, verified)
    local verify = client.verify or "on"
    return verified == "SUCCESS"
        or (verify ~= "on" and verified == "NONE")
        or verify == "optional_no_ca"
end


local function judge_tls(client, host)
    if server_name() ~= get "host" then
        return MISDIRECTED
    end
    if not conf.servers[host.name] then
        -- The block that verifies is not in force yet, or nginx refused it.
        return FORBIDDEN
    end
    local verified = get "ssl_client_verify" or "NONE"
    if not is_error_page(client) then
        if not is_good(client, verified) then
            return _M.refusal(client)
        end
        if not is_wanted(client.subject, get "ssl_client_s_dn") then
            return FORBIDDEN
        end
    end
    tell_backend(client, verified)
end


local function is_exempt(route)
    local entry = route and route.id ~= "" and entries.read("r/" .. route.id)
    return entry and https.is_exempt(entry.path or "", entries.values.no_tls_redirect_locations)
end


-- No certificate can be shown on the plain port: who must show one goes to the other. What proves to an issuer of
-- certificates that the host is ours has to be reached without.
local function judge_plain(client, route)
    if (client.verify == "optional" or client.verify == "optional_no_ca") and not client.subject then
        return nil
    end
    if is_exempt(route) then
        return nil
    end
    if var.tg_scheme ~= "http" then
        return FORBIDDEN
    end
    return answers.redirect(entries.values.http_redirect_code or 308, https.target(entries.values))
end


-- Location for a client without a good certificate.
function _M.refusal(client)
    local page = client.page
    if page and find(page, "^https?://") then
        return answers.redirect(302, page)
    end
    return BAD_CERTIFICATE
end


-- Set phase, for a host with `client`: the route without its guard, and the location that answers instead, if any.
function _M.enter(route, host, is_tls)
    local client = host.client
    route = route and route.guarded or route
    if route and route.answer == "healthz" then
        return route
    end
    if client.deny then
        return nil, FORBIDDEN
    end
    return route, is_tls and judge_tls(client, host) or not is_tls and judge_plain(client, route) or nil
end


-- Content phase of @client_refused: nginx itself did not like the certificate, or missed it.
function _M.refused()
    entries.follow()
    local client = hosts.find(get "host").client
    if not client then
        return ngx.exec(errors.instead(NO_ROUTE, BAD_CERTIFICATE))
    end
    if server_name() ~= get "host" then
        return ngx.exec(errors.instead(NO_ROUTE, MISDIRECTED))
    end
    local page = client.page
    if page and sub(page, 1, 1) == "/" then
        return ngx.exec(page)
    end
    return ngx.exec(errors.instead(NO_ROUTE, _M.refusal(client)))
end


return _M

-- The certificate phase: which certificate answers a handshake (reference g.8).
--
-- Exact server name, then wildcard, then host "_"; a host without a usable certificate of its own, an unknown name or none
-- gets the default certificate: --default-ssl-certificate if given, else the self-signed one of nginx.conf. A host may have
-- certificates with several kinds of keys: OpenSSL takes the one that the client can do best. Chain and key are parsed once
-- per worker and change.

local ssl = require "ngx.ssl"
local entries = require "tidegate.entries"
local certificates = require "tidegate.certificates"
local conf = require "tidegate.settings"
local hosts = require "tidegate.hosts"
local names = require "tidegate.names"
local ocsp = require "tidegate.ocsp"

local clear_certs, set_cert, set_priv_key = ssl.clear_certs, ssl.set_cert, ssl.set_priv_key

local DEFAULT = "_default"

local _M = {}


local function parse(entry)
    local chain, err = ssl.parse_pem_cert(entry.crt)
    if not chain then
        ngx.log(ngx.ERR, "certificate ", entry.fp, ": ", err)
        return nil
    end
    local key
    key, err = ssl.parse_pem_priv_key(entry.key)
    if not key then
        ngx.log(ngx.ERR, "key of certificate ", entry.fp, ": ", err)
        return nil
    end
    return { chain = chain, key = key, stapling = conf.stapling and ocsp.prepare(entry) or nil }
end


local function set(certificate)
    local ok, err = set_cert(certificate.chain)
    if ok then
        ok, err = set_priv_key(certificate.key)
    end
    if not ok then
        ngx.log(ngx.ERR, "certificate not set: ", err)
    end
    return ok
end


-- The certificates beside the first, for clients that prefer another kind of key.
local function set_others(ids)
    for i = 1, #ids do
        local other = certificates.find(ids[i], parse)
        if other then
            set(other)
        end
    end
end


-- ConfigMap `ssl-reject-handshake`: who asks for no host of ours gets no certificate either.
local function rejects(name)
    return entries.values.ssl_reject_handshake and (name == "_" or not hosts.is_known(name))
end


function _M.run()
    entries.follow()
    local name = names.normal(ssl.server_name()) or "_"
    local host = name ~= "_" and certificates.host(name)
    if not host then
        if rejects(name) then
            return ngx.exit(ngx.ERROR)
        end
        host = certificates.host "_"
    end
    local certificate = host and host.c and certificates.find(host.c, parse)
    local is_own = certificate ~= nil
    certificate = certificate or certificates.find(DEFAULT, parse)
    if not certificate then
        return
    end
    clear_certs()
    set(certificate)
    if is_own and host.x then
        set_others(host.x)
    elseif certificate.stapling then
        -- With several certificates it is not known which one OpenSSL takes.
        ocsp.staple(certificate.stapling)
    end
end


return _M

-- The certificate phase: which certificate answers a handshake (reference g.8).
--
-- Exact server name, then wildcard, then host "_"; a host without a usable certificate of its own, an unknown name or none
-- gets the default certificate: --default-ssl-certificate if given, else the self-signed one of nginx.conf. Chain and key
-- are parsed once per worker and change.

local ssl = require "ngx.ssl"
local entries = require "tidegate.entries"
local certificates = require "tidegate.certificates"

local lower, sub = string.lower, string.sub

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
    return { chain = chain, key = key }
end


local function certificate_for(name)
    local host = certificates.host(name or "_") or certificates.host("_")
    return host and host.c and certificates.find(host.c, parse)
        or certificates.find(DEFAULT, parse)
end


local function use(certificate)
    ssl.clear_certs()
    local ok, err = ssl.set_cert(certificate.chain)
    if ok then
        ok, err = ssl.set_priv_key(certificate.key)
    end
    if not ok then
        ngx.log(ngx.ERR, "certificate not set: ", err)
    end
end


local function server_name()
    local name = ssl.server_name()
    if not name then
        return nil
    end
    name = lower(name)
    return sub(name, -1) == "." and sub(name, 1, -2) or name
end


function _M.run()
    entries.follow()
    local certificate = certificate_for(server_name())
    if certificate then
        use(certificate)
    end
end


return _M

-- Certificates as this worker has decoded them, and which of them answers for a server name (reference g.8).

local entries = require "tidegate.entries"
local names = require "tidegate.names"

local _M = {}

local tls_hosts, certificates = {}, {}
local epoch = 1             -- raised when any t/ entry changed


local function tls_host(name)
    local entry = tls_hosts[name]
    if not entry then
        entry = entries.read("t/" .. name)
        tls_hosts[name] = entry     -- only names that exist: unknown ones must not fill the memory
    end
    return entry
end


-- The t/ entry that answers for a server name: exact, then wildcard, then any; or nil.
function _M.host(name)
    local entry = tls_host(name)
    if not entry then
        local wildcard = names.wildcard(name)
        entry = wildcard and tls_host(wildcard)
    end
    return entry
end


-- Tell whether a host counts as TLS, which is what `ssl-redirect` asks (reference g.9).
-- Kept in one number: the epoch for which it was found, negative for no.
function _M.is_tls(host)
    local tls = host.tls
    if tls ~= epoch and tls ~= -epoch then
        tls = _M.host(host.name) and epoch or -epoch
        host.tls = tls
    end
    return tls == epoch
end


-- Decoded certificate by id, made by `parse(entry)` once per worker and change; nil if there is none or it is broken.
function _M.find(id, parse)
    local certificate = certificates[id]
    if not certificate then
        local entry = entries.read("c/" .. id)
        certificate = entry and parse(entry)
        certificates[id] = certificate or nil
    end
    return certificate
end


entries.on_change("t", function(name)
    tls_hosts[name] = nil
    epoch = epoch + 1
end)


entries.on_change("c", function(id)
    certificates[id] = nil
end)


entries.on_reset(function()
    tls_hosts, certificates = {}, {}
    epoch = epoch + 1
end)


return _M

-- What nginx.conf tells the Lua side about itself: fixed for the life of a configuration generation.

local _M = {
    generation = "",        -- id of the configuration
    profiles = {},          -- location profile id -> largest body in bytes, 0 for no limit
    protocols = {},         -- location profile id -> protocol of the backend, where it is not HTTP
    scripts = {},           -- those with FastCGI parameters of their own -> their names
    secured = {},           -- those of them over TLS -> the identity for which its connections are kept
    servers = {},           -- host -> id of its server profile
    stapling = false,       -- OCSP answers are sent with handshakes
    tracing = false,        -- there is a collector for spans
    https_port = 443,
    trusts_forwarded = false,   -- X-Forwarded-Proto of trusted peers decides the effective scheme
    is_chained = false,         -- the address comes from the PROXY protocol, then from a header
    forwarded_for = "x_forwarded_for",  -- that header, as a variable's name has it
    trusted = {},               -- networks whose word counts, where the Lua side has to know
    makes_request_ids = true,   -- for requests that bring none
    timeouts = { connect = 5, send = 60, read = 60 },   -- seconds, as nginx.conf has them
    streams = false,        -- there is a stream block: TCP and UDP services, or passed-through TLS
    log = {},               -- of the access log: is it on, is it piped, are there URLs to skip, …
    pools = { connections = 320, idle = 60, requests = 10000, life = 3600 },    -- kept connections to a backend; seconds
    metrics = {             -- how requests are counted (metrics/): off, compact, full
        mode = "off", cells = 65536, per_host = true, classes = false, times = {}, lengths = {}, sizes = {},
    },
    stream_timeout = 3600,  -- seconds, for sending and reading where a request streams
    tries_once = {},        -- location profile ids with which a request that a backend got is never sent again
    tries = 3,              -- where the global settings do not say
}


function _M.take(given)
    for name, value in pairs(given) do
        if _M[name] == nil then
            error("unknown setting " .. name, 2)
        end
        _M[name] = value
    end
end


return _M

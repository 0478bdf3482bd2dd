-- Requests that could be read in two ways: the way that the router reads them, and the way that a backend might.
--
-- The host: the name that decides must be the one that backends are told. An absolute URI in the request line beside
-- another Host header is refused. The path: nginx decodes and resolves it before rules are compared, while the backend gets
-- it as the client sent it. On a guarded host, where some paths are protected and others are not, each way in which backends
-- read paths must lead to the same rule; if not, the request is refused. Other hosts pay nothing for this.

local readings = require("tidegate.readings").of
local prepare = require("tidegate.hosts").prepare
local lookup = require("tidegate.paths").lookup
local get = require("tidegate.variables").get

local var = ngx.var
local lower, match, sub, byte = string.lower, string.match, string.sub, string.byte

local MEMO_LIMIT = 4096
local DOT = 46
local DEFAULT_PROFILE = "@p_"       -- its Host header does not need the client's

local _M = {}

local REFUSED = { id = "", epoch = -1, plan = {}, answer = "bad_request" }

local memo, memo_count = {}, 0      -- Host header -> the name that it says


-- Name that a Host header says, as nginx's $host has it.
local function said(header)
    local name = memo[header]
    if not name then
        name = lower(match(header, "^%[[^%]]*%]") or match(header, "^[^:]*"))
        if byte(name, -1) == DOT then
            name = sub(name, 1, -2)
        end
        if memo_count >= MEMO_LIMIT then
            memo, memo_count = {}, 0
        end
        memo[header], memo_count = name, memo_count + 1
    end
    return name
end


local function is_one_host(name)
    local header = get "http_host"
    if not header then
        -- HTTP/1.0 without one.
        var.tg_jump = DEFAULT_PROFILE
        return true
    end
    return said(header) == name
end


local function leads_elsewhere(host, uri, target)
    local each = readings(get "request_uri", uri)
    for i = 1, #each do
        prepare(host, each[i])
        if lookup(host, each[i]) ~= target then
            return true
        end
    end
    return false
end


-- The target of a request, or one that refuses it.
function _M.settle(name, host, uri, target)
    if not is_one_host(name) or (host.guarded and leads_elsewhere(host, uri, target)) then
        return REFUSED
    end
    return target
end


return _M

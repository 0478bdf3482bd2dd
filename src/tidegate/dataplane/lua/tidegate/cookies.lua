-- Session cookies as ingress-nginx issues them (reference a.7, g.12).

local get = require("tidegate.variables").get
local find, match, sub = string.find, string.match, string.sub
local ipairs, tonumber, type = ipairs, tonumber, type
local re_match = ngx.re.match

local EMBEDDED = [[^Mozilla/[.\d]+ \(Macintosh;.*\) AppleWebKit/[.\d]+ \(KHTML, like Gecko\)$]]

local _M = {}


local function version_below(text, limit)
    local n = 1
    for part in text:gmatch "%d+" do
        local wanted = limit[n] or 0
        if tonumber(part) ~= wanted then
            return tonumber(part) < wanted
        end
        n = n + 1
    end
    return limit[n] ~= nil
end


-- Whether a browser takes "SameSite=None" for "Strict", or drops such a cookie
-- (https://www.chromium.org/updates/same-site/incompatible-clients).
local function mistakes_none(agent)
    if re_match(agent, [[\(iP.+; CPU .*OS 12[_\d]*.*\) AppleWebKit/]], "jo") then
        return true
    end
    local chromium = tonumber(match(agent, "Chrome/(%d+)") or match(agent, "Chromium/(%d+)"))
    if re_match(agent, [[\(Macintosh;.*Mac OS X 10_14[_\d]*.*\) AppleWebKit/]], "jo") then
        local is_safari = not chromium and re_match(agent, [[Version/.* Safari/]], "jo")
        if is_safari or re_match(agent, EMBEDDED, "jo") then
            return true
        end
    end
    local uc = match(agent, "UCBrowser/([%d.]+)")
    if uc then
        return version_below(uc, { 12, 13, 2 })
    end
    return chromium ~= nil and chromium >= 51 and chromium <= 66
end


local function same_site(affinity)
    local wanted = affinity.samesite
    if wanted == "None" and affinity.conditional and mistakes_none(get "http_user_agent" or "") then
        return nil
    end
    return wanted
end


local function attribute(name, value)
    return value and "; " .. name .. "=" .. value or ""
end


-- Text of the Set-Cookie header. `path` holds where the Ingress gives none.
function _M.text(affinity, value, path)
    local expires = affinity.expires and ngx.cookie_time(ngx.time() + affinity.expires)
    local is_secure = affinity.secure or get "tg_scheme" == "https"
    return affinity.name .. "=" .. value
        .. attribute("Expires", expires)
        .. attribute("Max-Age", affinity.max_age)
        .. attribute("Domain", affinity.domain)
        .. attribute("Path", affinity.path or path)
        .. (is_secure and "; Secure" or "")
        .. "; HttpOnly"
        .. attribute("SameSite", same_site(affinity))
end


-- Have the answer carry a cookie, instead of an earlier one of the same name and beside all others.
function _M.set(name, text)
    local others = ngx.header["Set-Cookie"] or {}
    local start, all = name .. "=", { text }
    for _, other in ipairs(type(others) == "table" and others or { others }) do
        if sub(other, 1, #start) ~= start then
            all[#all + 1] = other
        end
    end
    ngx.header["Set-Cookie"] = all
end


-- The two halves of a session cookie that the request carries: the key of the session, and the backend that issued it.
function _M.session(name)
    local value = get("cookie_" .. name)
    if not value then
        return nil
    end
    local bar = find(value, "|", 1, true)
    return bar and sub(value, 1, bar - 1) or value, bar and sub(value, bar + 1)
end


return _M

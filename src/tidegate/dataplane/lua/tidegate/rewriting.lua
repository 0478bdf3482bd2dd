-- Answers of backends as `proxy-redirect-*` and `proxy-cookie-*` rewrite them. Only routes that ask for it come here: their
-- location has a header filter.

local routes = require "tidegate.routes"
local get = require("tidegate.variables").get

local var = ngx.var
local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local lower, match = string.lower, string.match
local ipairs, type = ipairs, type

local SLASH = 47

local _M = {}


-- A text with its beginning replaced, or nil if it has another.
local function replaced(text, words)
    local from = words[1]
    if sub(text, 1, #from) == from then
        return words[2] .. sub(text, #from + 1)
    end
end


local function absolute(url)
    if byte(url, 1) == SLASH then
        return var.scheme .. "://" .. (var.http_host or var.host) .. url
    end
    return url
end


local function rewrite_redirect(header, words)
    local location = header.location
    local new = type(location) == "string" and replaced(location, words)
    if new then
        header["Location"] = absolute(new)
    end
    local refresh = header.refresh
    local wait, url = match(type(refresh) == "string" and refresh or "", "^(%d+%s*;%s*[Uu][Rr][Ll]=)(.*)$")
    new = url and replaced(url, words)
    if new then
        header["Refresh"] = wait .. absolute(new)
    end
end


local function without_dot(domain)
    return sub(domain, 1, 1) == "." and sub(domain, 2) or domain
end


local function rewrite_cookie(cookie, rewrites)
    local domain, path = rewrites.cookie_domain, rewrites.cookie_path
    local first = find(cookie, ";", 1, true)
    if not first then
        return cookie
    end
    local attributes = gsub(sub(cookie, first), "(;%s*)([%w]+)=([^;]*)", function(before, name, value)
        local new
        name = lower(name) == "domain" and "domain" or lower(name) == "path" and "path" or name
        if name == "domain" and domain and lower(without_dot(value)) == lower(without_dot(domain[1])) then
            new = domain[2]
        elseif name == "path" and path then
            new = replaced(value, path)
        end
        return new and before .. name .. "=" .. new or nil
    end)
    return sub(cookie, 1, first - 1) .. attributes
end


local function rewrite_cookies(header, rewrites)
    local cookies = header.set_cookie
    if type(cookies) == "string" then
        header["Set-Cookie"] = rewrite_cookie(cookies, rewrites)
    elseif cookies then
        local new = {}
        for i, cookie in ipairs(cookies) do
            new[i] = rewrite_cookie(cookie, rewrites)
        end
        header["Set-Cookie"] = new
    end
end


-- Header filter phase.
function _M.run()
    local rewrites = routes.route(get "tg_route").plan.answers
    if not rewrites then
        return
    end
    local header = ngx.header
    if rewrites.redirect then
        rewrite_redirect(header, rewrites.redirect)
    end
    if rewrites.cookie_domain or rewrites.cookie_path then
        rewrite_cookies(header, rewrites)
    end
end


return _M

-- Hosts as this worker has decoded them: from the name of a request to the host object that `paths` looks things up in.

local entries = require "tidegate.entries"
local names = require "tidegate.names"
local paths = require "tidegate.paths"
local routes = require "tidegate.routes"

local find, match, sub = string.find, string.match, string.sub
local crc32, timer = ngx.crc32_short, ngx.timer.at
local next, pairs, type, tonumber, setmetatable = next, pairs, type, tonumber, setmetatable

local HOST_PREFIX = "h/main/"
local BUCKET_PREFIX = "m/main/"
local ANY = "_"
local MEMO_LIMIT = 16384    -- names remembered as belonging to a wildcard or to no host

local PAUSE = 0.001         -- seconds; without one, nginx runs a chain of timers in one go
local MOST_FOLDERS = 32     -- of one path whose rules are looked for bucket by bucket

local _M = {}

local hosts = {}            -- exact names and wildcards as keys -> host object
local memo, memo_count = {}, 0
local any_host              -- host object of ANY


local function own_answer(name)
    return { id = "", epoch = -1, plan = routes.NO_PLAN, answer = name }
end


-- Targets that the gateway answers itself, by name; see router.lua.
local TO_SLASH = own_answer "add_slash"
local HEALTHZ = own_answer "healthz"
local HEALTHZ_PATH = "/healthz"


local function is_same_match(a, b)
    return a[1] == b[1] and a[2] == b[2]
end


local function choice(rules, first, last)
    local choices = {}
    for n = first, last do
        local when = rules[n][4]
        choices[#choices + 1] = {
            when = type(when) == "table" and when or nil,
            route = routes.object(rules[n][3]),
        }
    end
    return { id = "", epoch = -1, plan = routes.NO_PLAN, choices = choices }
end


-- Hand out each match of a list of rules once, with its target: a route, or a choice if rules have conditions.
local function each_match(rules, take)
    local i = 1
    while rules[i] do
        local first, last = i, i
        while rules[last + 1] and is_same_match(rules[first], rules[last + 1]) do
            last = last + 1
        end
        local is_conditional = type(rules[first][4]) == "table"
        local target = is_conditional and choice(rules, first, last) or routes.object(rules[first][3])
        take(rules[first][1], rules[first][2], target)
        i = last + 1
    end
end


-- What a host leads to that looks at its clients' certificates never takes the short way.
local function guarded(host, target)
    return host.client and { id = "", epoch = -1, plan = routes.NO_PLAN, guarded = target } or target
end


local function set_rules(host, rules, present)
    each_match(rules or {}, function(kind, path, target)
        paths.set(host, kind, path, present and guarded(host, target) or nil)
    end)
end


local function load_bucket(host, number)
    local entry = entries.read(BUCKET_PREFIX .. host.name .. "/" .. number)
    host.stale[number] = nil
    set_rules(host, host.buckets[number], false)
    host.buckets[number] = entry and entry.rules or {}
    set_rules(host, host.buckets[number], true)
end


-- Load what is stale still, a bucket at a time, so that other requests come between.
local function complete(premature, host)
    entries.follow()
    local number = not premature and host.stale and next(host.stale)
    if number then
        load_bucket(host, number)
        if next(host.stale) and hosts[host.name] == host then
            timer(PAUSE, complete, host)
            return
        end
    end
    host.completes = nil
    if host.stale and not next(host.stale) then
        host.stale = false
    end
end


local function load_if_stale(host, path)
    local number = crc32(path) % host.bucket_count
    if host.stale[number] then
        load_bucket(host, number)
    end
end


-- Load the stale buckets in which a rule for this path may stand: that of the path itself, and of each folder above it, each
-- with a final slash and without. All at once where that would be many, or rules are patterns.
local function prepare(host, uri)
    local stem, folders = uri, 0
    while stem and stem ~= "" and folders < MOST_FOLDERS and host.deepest > 0 do
        load_if_stale(host, stem)
        load_if_stale(host, stem .. "/")
        stem, folders = match(stem, "^(.*)/"), folders + 1
    end
    load_if_stale(host, "/")
    if stem ~= "" then
        for number in pairs(host.stale) do
            load_bucket(host, number)
        end
    end
    if not host.completes then
        host.completes = timer(PAUSE, complete, host)
    end
end


local host_mt = { __index = paths.class }


local function load_host(name)
    local entry = entries.read(HOST_PREFIX .. name)
    if not entry then
        if name ~= ANY then
            return nil
        end
        entry = {}
    end
    local host = setmetatable({ name = name, tls = 0, stale = false }, host_mt)
    paths.init(host, entry.regex, TO_SLASH)
    if name == ANY then
        paths.set(host, "e", HEALTHZ_PATH, HEALTHZ)
    end
    if entry.x then
        host.guarded = true
    end
    -- A field that is set to nil takes its place in the table all the same.
    if entry.d then
        host.fallback = routes.object(entry.d)
    end
    if entry.client then
        host.client = entry.client
    end
    set_rules(host, entry.rules, true)
    if entry.n then
        host.buckets, host.bucket_count, host.stale = {}, entry.n, {}
        for number = 0, entry.n - 1 do
            host.stale[number] = true
        end
    else
        paths.seal(host)
    end
    hosts[name] = host
    return host
end


-- Host "_" is always there: load balancers ask it for /healthz (reference d).
local function any()
    if not any_host then
        any_host = load_host(ANY)
    end
    return any_host
end


-- Host object for the name of a request (lower case), fit to look up this path; without one, fit for all but paths.
function _M.find(name, uri)
    local host = hosts[name] or memo[name]
    if not host then
        host = load_host(name)
        if not host then
            local wildcard = names.wildcard(name)
            host = wildcard and (hosts[wildcard] or load_host(wildcard)) or any()
            if memo_count >= MEMO_LIMIT then
                memo, memo_count = {}, 0
            end
            memo[name], memo_count = host, memo_count + 1
        end
    end
    if host.stale and uri then
        prepare(host, uri)
    end
    return host
end


-- Make a host fit to look up another path of the same request.
function _M.prepare(host, uri)
    if host.stale then
        prepare(host, uri)
    end
end


-- Tell whether a name belongs to a host other than "_". Remembers nothing about names that do not.
function _M.is_known(name)
    local wildcard = names.wildcard(name)
    return (hosts[name] or load_host(name) or wildcard and (hosts[wildcard] or load_host(wildcard))) ~= nil
end


-- Route that a host gives to paths which none of its rules match, or nil.
function _M.fallback(host)
    return host.fallback or any().fallback
end


entries.on_change("h", function(rest)
    local name = sub(rest, find(rest, "/", 1, true) + 1)
    hosts[name] = nil
    memo, memo_count = {}, 0
    if name == ANY then
        any_host = nil
    end
end)


entries.on_change("m", function(rest)
    local name, number = rest:match("^[^/]+/(.+)/(%d+)$")
    local host = hosts[name]
    if host then
        host.stale = host.stale or {}
        host.stale[tonumber(number)] = true
    end
end)


entries.on_reset(function()
    hosts, memo, memo_count, any_host = {}, {}, 0, nil
end)


return _M

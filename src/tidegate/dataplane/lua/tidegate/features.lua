-- What a route can do besides passing a request on, made into its plan.
--
-- Each feature is one module with a `prepare(get, plan, entry)`, called once when the route is decoded; `get` gives a data
-- setting: the route's override, else the global value. It may leave facts in the plan for other phases, and it may give a
-- step: a function (host, is_tls) that runs for each request of that route and gives the location that answers, or
-- nil to go on. A request pays for the steps of its own route only, and routes that override nothing share one plan.
--
-- The order is that in which ingress-nginx takes its decisions (reference g.9): early steps come before "no endpoints".

local https = require "tidegate.features.https"

local EARLY = {
    require "tidegate.features.tracing",
    require "tidegate.features.deny",
    require "tidegate.features.app_root",
    require "tidegate.features.redirect",
    https,
}
local LATE = {
    require "tidegate.features.allow",
    require "tidegate.features.rewrite",
    require "tidegate.features.vhost",
    require "tidegate.features.script",
    require "tidegate.features.backend_tls",
    require "tidegate.features.timeouts",
    require "tidegate.features.answers",
    require "tidegate.features.affinity",
    require "tidegate.features.errors",
}

local conf = require "tidegate.settings"

local ipairs, pairs, match = ipairs, pairs, string.match

local _M = {}


-- What each feature is called in the access log: the name of its file.
local function name_all()
    local names = {}
    for path, module in pairs(package.loaded) do
        local name = match(path, "^tidegate%.features%.(.+)$")
        if name then
            names[module] = name
        end
    end
    return names
end


local NAMES = name_all()


local function collect(modules, get, plan, entry)
    local steps = { names = {} }
    for _, feature in ipairs(modules) do
        local step = feature.prepare(get, plan, entry)
        if step then
            steps[#steps + 1] = step
            steps.names[#steps] = NAMES[feature]
        end
    end
    return steps
end


-- The default profile, nil here, is known to every worker: what a route had before it does not count.
local function known_profile(entry)
    local id, before = entry.p, entry.q
    if not id or conf.profiles[id] then
        return id
    end
    return before and conf.profiles[before] and before or nil
end


-- A plan is fast where a request needs nothing but its backend's next endpoint: `fast` on the plain port,
-- `fast_without_tls` there on hosts that are not TLS, `fast_tls` on the TLS port.
local function judge(plan, draining)
    local redirect = plan.https_redirect
    local others = #plan.early + #plan.late - (redirect and 1 or 0)
    local is_plain = others == 0 and not plan.profile and not draining
    plan.fast = is_plain and not redirect
    plan.fast_without_tls = is_plain and redirect ~= "force"
    plan.fast_tls = is_plain and not (conf.trusts_forwarded and redirect)
end


-- Make the plan of a route from its entry and the global settings.
function _M.plan(entry, globals, draining)
    local overrides = entry.o or {}
    local function get(key)
        local value = overrides[key]
        if value == nil then
            value = globals[key]
        end
        return value
    end
    local profile = known_profile(entry)
    local plan = { profile_id = profile or "", protocol = conf.protocols[profile or ""] }
    plan.early = collect(EARLY, get, plan, entry)
    plan.late = collect(LATE, get, plan, entry)
    plan.profile = profile and "@p_" .. profile
    plan.body_limit = profile and conf.profiles[profile] or 0
    judge(plan, draining)
    return plan
end


-- Key under which routes share a plan, or nil for one that has its own. Whatever a feature reads of the entry besides
-- overrides and profile must be told apart here.
function _M.sharing_key(entry, globals)
    if entry.o or entry.deny then
        return nil
    end
    local exempt = https.is_exempt(entry.path or "", globals.no_tls_redirect_locations)
    return (entry.p or "") .. "/" .. (entry.q or "") .. (exempt and "/exempt" or "")
end


return _M

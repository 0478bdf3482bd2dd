-- Whoever leads: one worker of all makes the active checks, and looks after endpoints that could not be connected to.
--
-- It holds a lease that it renews every second; if it dies or ends, another takes over within three. What it knows of each
-- check lies in its own memory, what came of it in shared memory (endpoints/states.lua), so that a reload forgets nothing.
--
-- An endpoint changes its state after `fall` failures or `rise` successes in a row. One that changes often must succeed two,
-- four, eight times as often to be back.

local checks = require "tidegate.endpoints.checks"
local entries = require "tidegate.entries"
local index = require "tidegate.endpoints.index"
local looks = require "tidegate.endpoints.looks"
local routes = require "tidegate.routes"
local states = require "tidegate.endpoints.states"

local dict = ngx.shared.tidegate_health
local now, random, spawn = ngx.now, math.random, ngx.thread.spawn
local floor, max, min = math.floor, math.max, math.min
local match = string.match
local CHECK, TRAFFIC = states.CHECK, states.TRAFFIC

local LEASE = 3                 -- seconds
local STEP = 0.1
local ROUND = 1
local MOST = 256                -- connections at once
local SHARE = 64                -- of those, for the checks of one namespace: slow ones hold up nobody else's
local CHANGES = 100             -- backends read in one step
local MOST_DAMP = 8
local OFTEN = 10                -- intervals: a state that lasted less is said to change often
local KEPT = 600                -- seconds, or some intervals if that is more

local _M = {}

local leads = false
local plans = {}                -- id of a backend -> { name -> probe }
local wheel, last_slot = {}, nil
local under_way, by_namespace = 0, {}
local seen_changes = -1
local next_round = 0
local has_trouble = false


local function at(time, probe)
    local slot = max(floor(time / STEP), (last_slot or 0) + 1)
    local list = wheel[slot]
    if list then
        list[#list + 1] = probe
    else
        wheel[slot] = { probe }
    end
end


local function kept(check)
    return max(KEPT, 5 * check.interval)
end


local function turn(probe, is_bad, why)
    local time, backend = now(), routes.current(probe.id)
    local lasted = time - (probe.turned or 0)
    probe.damp = lasted < OFTEN * probe.check.interval and min((probe.damp or 1) * 2, MOST_DAMP) or 1
    probe.bad, probe.turned, probe.why = is_bad, time, why
    if is_bad then
        states.put(CHECK, backend, probe.name, { since = time, why = why }, kept(probe.check))
        states.count "checks_down"
        ngx.log(ngx.WARN, "endpoint ", probe.name, " of ", probe.id, " fails its checks: ", why)
    else
        states.drop(CHECK, backend, probe.name)
        states.count "checks_up"
        ngx.log(ngx.NOTICE, "endpoint ", probe.name, " of ", probe.id, " passes its checks again")
    end
end


-- What traffic could not connect to, a check has connected to.
local function merge(probe)
    local backend = routes.current(probe.id)
    if backend.count > 0 and backend.cursor.down ~= 0 then
        local met = states.get(TRAFFIC, probe.id, probe.name)
        if met and met.kind == "unreachable" then
            states.drop(TRAFFIC, backend, probe.name)
        end
    end
end


local function renew(probe, why)
    local time = now()
    if time - (probe.renewed or probe.turned) > kept(probe.check) / 3 or why ~= probe.why then
        probe.renewed, probe.why = time, why
        local state = { since = probe.turned, why = why }
        states.put(CHECK, routes.current(probe.id), probe.name, state, kept(probe.check))
    end
end


local function judge(probe, good, why)
    states.count(good and "checks_passed" or "checks_failed")
    local check = probe.check
    if good then
        probe.passes, probe.fails = probe.passes + 1, 0
        merge(probe)
        if probe.bad and probe.passes >= check.rise * (probe.damp or 1) then
            turn(probe, false)
        end
    else
        probe.passes, probe.fails = 0, probe.fails + 1
        if not probe.bad and probe.fails >= check.fall then
            turn(probe, true, why)
        elseif probe.bad then
            renew(probe, why)
        end
    end
end


local function run(probe)
    local done, good, why = pcall(checks.run, probe.check, probe.host, probe.port, probe.name)
    under_way = under_way - 1
    by_namespace[probe.namespace] = by_namespace[probe.namespace] - 1
    if not done then
        ngx.log(ngx.ERR, "check of ", probe.name, ": ", good)
        good = nil
    end
    if good ~= nil and leads and not probe.gone then
        judge(probe, good, why)
    end
end


local function start(probe)
    if probe.gone then
        return
    end
    local namespace = probe.namespace
    if under_way >= MOST or (by_namespace[namespace] or 0) >= SHARE then
        return at(now() + STEP, probe)
    end
    under_way = under_way + 1
    by_namespace[namespace] = (by_namespace[namespace] or 0) + 1
    at(now() + probe.check.interval * (0.9 + 0.2 * random()), probe)
    spawn(run, probe)
end


local function probe_of(id, name, check)
    local host, port = states.parts(name)
    local known = states.get(CHECK, id, name)
    local probe = {
        id = id, name = name, host = host, port = port, check = check, passes = 0, fails = 0,
        namespace = match(id, "^[^/]*"),
        bad = known ~= nil, turned = known and known.since, why = known and known.why,
    }
    at(now() + random() * check.interval, probe)
    return probe
end


local function key_of(check)
    local ranges = {}
    for i, range in ipairs(check.statuses) do
        ranges[i] = range[1] .. "-" .. range[2]
    end
    return table.concat({
        check.kind, check.path, check.host, check.service, tostring(check.tls), check.interval, check.timeout,
        check.rise, check.fall, table.concat(ranges, ","),
    }, "\n")
end


local function complete(check)
    local interval = check.interval or 10
    return {
        kind = check.kind or "http", path = check.path or "/", host = check.host or "",
        service = check.service or "", tls = check.tls or false,
        statuses = check.statuses or { { 200, 399 } },
        interval = interval, timeout = min(check.timeout or 2, interval),
        rise = check.rise or 2, fall = check.fall or 3,
    }
end


-- A check that is no more leaves nothing behind.
local function end_probes(id, probes)
    for name, probe in pairs(probes) do
        probe.gone = true
        if probe.bad then
            states.drop(CHECK, routes.current(id), name)
        end
    end
end


local function plan(id)
    local entry = entries.read("b/" .. id)
    local old = plans[id] or {}
    if not entry or not entry.check then
        plans[id] = nil
        return end_probes(id, old)
    end
    local check, probes = complete(entry.check), {}
    check.key = key_of(check)
    for _, peer in ipairs(entry.e or {}) do
        local name = (peer[1]:find(":", 1, true) and "[" .. peer[1] .. "]" or peer[1]) .. ":" .. peer[2]
        local known = old[name]
        if known and known.check.key == check.key then
            probes[name], old[name] = known, nil
        else
            probes[name] = probe_of(id, name, check)
        end
    end
    plans[id] = probes
    end_probes(id, old)
end


local function plan_all()
    local ids = index.all()
    entries.follow()
    for id in pairs(plans) do
        ids[#ids + 1] = id
    end
    for _, id in ipairs(ids) do
        plan(id)
    end
end


local function follow()
    for _ = 1, CHANGES do
        local id, has_lost = index.changed()
        if has_lost then
            return plan_all()
        elseif not id then
            return
        end
        -- Now, for the delta that brought the id is in force only since a moment ago.
        entries.follow()
        plan(id)
    end
end


local function look(id, name)
    local done, err = pcall(looks.look, id, name)
    under_way = under_way - 1
    if not done then
        ngx.log(ngx.ERR, "look at ", name, ": ", err)
    end
end


local function look_at(backend, time)
    local found = false
    for name in states.names(backend.id) do
        local met = states.get(TRAFFIC, backend.id, name)
        found = found or met ~= nil or states.get(CHECK, backend.id, name) ~= nil
        if met and met.kind == "unreachable" and met.till <= time and under_way < MOST then
            under_way = under_way + 1
            spawn(look, backend.id, name)
        end
    end
    return found
end


-- Endpoints in trouble, once a second while there are any. Marks that a race has lost are set again.
local function look_around()
    local changes = states.changes()
    if changes == seen_changes and not has_trouble then
        return
    end
    seen_changes, has_trouble = changes, false
    for _, id in ipairs(states.backends()) do
        local backend = routes.current(id)
        if look_at(backend, now()) then
            has_trouble = true
            backend.cursor.down = 1
        else
            states.forget(id)
        end
    end
end


local function work()
    follow()
    local slot = floor(now() / STEP)
    if now() >= next_round then
        next_round = now() + ROUND
        look_around()
    end
    for number = last_slot + 1, slot do
        local list = wheel[number]
        wheel[number], last_slot = nil, number
        for i = 1, #(list or {}) do
            start(list[i])
        end
    end
end


local function step(premature)
    if premature or not leads then
        return
    end
    local done, err = pcall(work)
    if not done then
        ngx.log(ngx.ERR, "checks of endpoints: ", err)
    end
    if not ngx.timer.at(STEP, step) then
        leads = false
    end
end


local function begin()
    leads, plans, wheel = true, {}, {}
    last_slot, seen_changes = floor(now() / STEP), -1
    plan_all()
    step()
end


-- Once a second in every worker: lead, or go on leading.
function _M.lead()
    local me = ngx.worker.pid()
    if dict:add("leader", me, LEASE) or not leads and dict:get "leader" == me then
        if not leads then
            begin()
        end
    elseif dict:get "leader" == me then
        dict:set("leader", me, LEASE)
    else
        leads = false
    end
end


-- This worker ends: another may lead at once.
function _M.leave()
    if leads then
        leads = false
        dict:delete "leader"
    end
end


-- How many endpoints are checked; known by whoever leads.
function _M.checked()
    local count = 0
    for _, probes in pairs(plans) do
        for _ in pairs(probes) do
            count = count + 1
        end
    end
    return count
end


return _M

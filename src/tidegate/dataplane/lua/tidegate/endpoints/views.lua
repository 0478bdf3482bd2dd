-- Which endpoints of a backend are passed over, as this worker has last read it. Only backends with a mark are looked at.
--
-- Two kinds of evidence weigh differently. An endpoint that cannot be connected to is passed over as long as any other can:
-- this gateway has tried it itself, moments ago. One that resets connections or fails its checks is passed over as long as
-- at most half of the backend's endpoints are out; beyond that the evidence is doubted, not the service, and only those that
-- cannot be connected to are left out. If no endpoint is left, all are used.

local states = require "tidegate.endpoints.states"

local get = states.get
local TRAFFIC, CHECK = states.TRAFFIC, states.CHECK
local now = ngx.now
local next = next
local setmetatable = setmetatable

local PANIC = 0.5               -- share of endpoints that may be out by soft evidence
local FRESH = 1                 -- seconds; states run out by themselves
local OVERDUE = 5               -- seconds after which a look that nobody made is asked for again
local NONE = {}
local WEAK = { __mode = "k" }

local views = setmetatable({}, WEAK)        -- by backend

local _M = { NONE = NONE }


local function read(backend)
    local peers, id, time = backend.peers, backend.id, now()
    local hard, soft, suspects, trials = {}, {}, {}, nil
    local hard_count, soft_count, is_marked = 0, 0, false
    for at = 1, backend.count do
        local name = peers[2 * at - 1] .. ":" .. peers[2 * at]
        local met, found = get(TRAFFIC, id, name), get(CHECK, id, name)
        is_marked = is_marked or met ~= nil or found ~= nil
        if met and met.failures and met.failures > 0 then
            suspects[name] = true
        end
        if met and met.kind == "unreachable" then
            hard[name] = true
            hard_count = hard_count + 1
            if met.till + OVERDUE < time then
                states.remind(backend, name)
            end
        elseif met and met.kind == "reset" or found then
            soft[name] = true
            soft_count = soft_count + 1
            if met and met.kind == "reset" and not found and met.till <= time then
                trials = trials or {}
                trials[#trials + 1] = at
            end
        end
    end
    local panic = hard_count + soft_count > backend.count * PANIC
    if not panic then
        for name in next, soft do
            hard[name] = true
        end
    end
    local all = hard_count >= backend.count
    local view = { suspects = suspects, trials = trials, panic = panic, out = hard_count + soft_count }
    view.down = (all or next(hard) == nil) and NONE or hard
    return view, is_marked
end


local function renew(backend)
    local cursor = backend.cursor
    local changes = cursor.changes
    local view, is_marked = read(backend)
    view.changes, view.peers, view.read = changes, backend.peers, now()
    views[backend] = view
    if not is_marked then
        cursor.down = 0
        if cursor.changes ~= changes then
            cursor.down = 1
        end
    end
    return view
end


-- What this worker knows of a backend that has a mark (`cursor.down`): `down`, the set of endpoints to pass over;
-- `suspects`, those whose success is worth knowing; `trials`, numbers of those that may be tried again; `panic`.
function _M.of(backend)
    local view = views[backend]
    if view and view.changes == backend.cursor.changes and view.peers == backend.peers
        and now() - view.read < FRESH then
        return view
    end
    return renew(backend)
end


return _M

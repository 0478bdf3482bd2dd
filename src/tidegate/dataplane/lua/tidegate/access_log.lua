-- The Lua side's part in the access log: what a line says of its route, which lines are left out, and how many there should
-- be. It runs in the log phase before nginx writes the line; where the log is off, nothing here runs.
--
-- nginx writes its buffers into a pipe that may be full. So that it never waits for a reader, the pipe is made non-blocking
-- here: nginx opens it itself and knows no such option. What did not fit is gone, and shows by the count that each worker
-- puts into the pipe once a second (see dataplane/access_log/).

local ffi = require "ffi"
local entries = require "tidegate.entries"
local routes = require "tidegate.routes"
local conf = require "tidegate.settings"
local variables = require "tidegate.variables"

local get, set = variables.get, variables.set
local C = ffi.C

pcall(ffi.cdef, "int fcntl(int fd, int cmd, ...);")
pcall(ffi.cdef, "ssize_t readlink(const char *path, char *buf, size_t size);")
pcall(ffi.cdef, "ssize_t write(int fd, const void *buf, size_t count);")

local F_GETFL, F_SETFL = 3, 4
local NONBLOCK = 0x800
local MOST_FDS = 4096       -- nginx opens its logs before anything that may be many
local PIPE = "access%.fifo$"
local MARK = "\28"

local _M = {}

local lines = 0             -- handed to nginx's log by this worker
local pipe                  -- its descriptor
local worker                -- name of this worker: pids come again


-- What the lines of a route say; routes.lua forgets it when the route changes.
local function names(route)
    local entry = entries.read("r/" .. route.id) or {}
    route.named = {
        epoch = entries.epoch,
        namespace = entry.ns or "", ingress = entry.ing or "", path = entry.path or "",
        service = entry.svc or "", port = entry.port or "",
        silent = entry.o and entry.o.access_log == false,
    }
    return route.named
end


local function say(name, value)
    if value ~= "" then
        set(name, value, #value)
    end
end


local function is_silent_without_route()
    return not conf.log.unmatched or get "tg_jump" == "@healthz"
end


local function count()
    if not conf.log.skips or get "tg_logged" ~= "0" then
        lines = lines + 1
    end
end


local function prepare()
    local id = get "tg_route" or ""
    if id == "" then
        if is_silent_without_route() then
            return set("tg_silent", "1", 1)
        end
        return count()
    end
    local route = routes.object(id)
    local found = route.named
    if not found or found.epoch ~= entries.epoch then
        found = names(route)
    end
    if found.silent then
        return set("tg_silent", "1", 1)
    end
    say("tg_namespace", found.namespace)
    say("tg_ingress", found.ingress)
    say("tg_service", found.service)
    say("tg_service_port", found.port)
    if conf.log.path then
        say("tg_path", found.path)
    end
    count()
end


-- The function of the log phase: `other`, and what the access log needs, if it is on.
function _M.around(other)
    if not conf.log.on then
        return other
    end
    return function()
        prepare()
        other()
    end
end


-- Descriptors of the pipe: nginx may have it open more than once.
local function find_pipes()
    local found = {}
    local target = ffi.new("char[512]")
    for fd = 3, MOST_FDS do
        local n = C.readlink("/proc/self/fd/" .. fd, target, 512)
        if n > 0 and ffi.string(target, n):find(PIPE) then
            found[#found + 1] = fd
        end
    end
    return found
end


-- In each worker as it begins.
function _M.begin()
    if not conf.log.piped then
        return
    end
    worker = ngx.worker.pid() .. "/" .. string.format("%.3f", ngx.now())
    for _, fd in ipairs(find_pipes()) do
        local flags = C.fcntl(fd, F_GETFL, ffi.cast("int", 0))
        C.fcntl(fd, F_SETFL, ffi.cast("int", bit.bor(flags, NONBLOCK)))
        pipe = fd
    end
    if not pipe then
        ngx.log(ngx.ERR, "the access log's pipe is not open")
    end
    _M.tell()
end


-- Say how many lines there were. Too short to be written in part: it is there or it is not.
function _M.tell()
    if pipe then
        local text = MARK .. worker .. " " .. string.format("%d", lines) .. "\n"
        C.write(pipe, text, #text)
    end
end


return _M

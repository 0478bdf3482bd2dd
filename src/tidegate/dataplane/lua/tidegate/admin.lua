-- What the keeper asks over push.sock (docs/contributing/contract.md, "The nginx instance").

local cjson = require "cjson.safe"
local conf = require "tidegate.settings"
local counters = require "tidegate.counters"
local entries = require "tidegate.entries"
local index = require "tidegate.endpoints.index"
local node = require "tidegate.node"
local store = require "tidegate.store"
local wire = require "tidegate.wire"

local STATUS = { conflict = 409, busy = 503, ["no memory"] = 507 }

local _M = {}


local function reply(status, value)
    ngx.status = status
    ngx.header.content_type = "application/json"
    ngx.print(cjson.encode(value))
    return ngx.exit(status)
end


local function body()
    ngx.req.read_body()
    local data = ngx.req.get_body_data()
    if data then
        return data
    end
    local name = ngx.req.get_body_file()
    local file = name and io.open(name, "rb")
    if not file then
        return ""
    end
    data = file:read("*a")
    file:close()
    return data
end


function _M.delta()
    local header, keys, values = wire.parse(body())
    if not header then
        return reply(400, { error = "malformed", message = keys })
    end
    local version, err, detail = store.apply(header, keys, values)
    if version then
        -- The delta is in force, whatever comes of this.
        local done, fault = pcall(index.follow, keys, values)
        if not done then
            ngx.log(ngx.ERR, "what is known of endpoints may be old: ", fault)
        end
        if conf.streams then
            entries.follow()
            require("tidegate.streams").flush()
        end
        return reply(200, { version = version })
    end
    if err == "conflict" then
        return reply(409, { error = err, version = detail })
    end
    return reply(STATUS[err] or 500, { error = err, key = detail })
end


function _M.status()
    entries.follow()
    local capacity, free = store.space()
    return reply(200, {
        version = entries.seen,
        generation = conf.generation,
        workers = ngx.worker.count(),
        reported = node.reported(),
        ready = entries.ready or false,
        draining = node.is_draining(),
        capacity = capacity,
        free = free,
        trouble = conf.streams and require("tidegate.streams").trouble() or nil,
    })
end


function _M.draining()
    node.set_draining()
    return reply(200, {})
end


function _M.entries()
    local all, version = store.all()
    ngx.header.content_type = "application/octet-stream"
    ngx.print(wire.format(version, all))
    return ngx.exit(200)
end


function _M.health()
    return reply(200, require("tidegate.endpoints.report").all())
end


function _M.counters()
    return reply(200, counters.totals())
end


return _M

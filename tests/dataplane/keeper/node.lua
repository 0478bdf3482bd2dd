-- The smallest nginx that speaks the keeper's protocol: entries in one shared dict, answers from it.

local cjson = require "cjson.safe"

local store, control = ngx.shared.store, ngx.shared.control

local _M = { generation = "" }


local function parse(body)
    local line_end = body:find("\n", 1, true)
    local header, changes, at = cjson.decode(body:sub(1, line_end - 1)), {}, line_end + 1
    while at <= #body do
        local op, _, k1, k2, v1, v2, v3, v4 = body:byte(at, at + 7)
        local value_at = at + 8 + k1 * 256 + k2
        local next_at = value_at + ((v1 * 256 + v2) * 256 + v3) * 256 + v4
        local value = op == 83 and body:sub(value_at, next_at - 1) or nil
        changes[#changes + 1] = { body:sub(at + 8, value_at - 1), value }
        at = next_at
    end
    return header, changes
end


local function apply(header, changes)
    for _, change in ipairs(changes) do
        if change[1] == "full" then
            return nil, change[1]
        end
        store:set(change[1], change[2])
    end
    control:set("version", header.version)
    return true
end


local function reply(status, value)
    ngx.status = status
    ngx.print(type(value) == "string" and value or cjson.encode(value))
    return ngx.exit(status)
end


function _M.master(generation)
    _M.generation = generation
    local file = io.open("restore", "rb")
    if file and not control:get("version") then
        apply(parse(file:read("*a")))
        file:close()
    end
end


function _M.worker()
    control:set("worker/" .. _M.generation .. "/" .. ngx.worker.id(), ngx.worker.pid())
end


function _M.delta()
    ngx.req.read_body()
    local header, changes = parse(ngx.req.get_body_data())
    local version = control:get("version") or 0
    if header.base ~= version then
        return reply(409, { version = version })
    end
    local ok, key = apply(header, changes)
    return reply(ok and 200 or 507, ok and { version = header.version } or { error = "no memory", key = key })
end


function _M.status()
    local reported = {}
    for _, key in ipairs(control:get_keys(0)) do
        local generation, id = key:match("^worker/([^/]*)/(%d+)$")
        if generation then
            reported[generation] = reported[generation] or {}
            reported[generation][id] = control:get(key)
        end
    end
    return reply(200, {
        version = control:get("version") or 0, generation = _M.generation, workers = ngx.worker.count(),
        reported = reported, ready = store:get("s/ready") ~= nil, draining = control:get("draining") or false,
        capacity = store:capacity(), free = store:free_space(),
    })
end


function _M.draining()
    control:set("draining", true)
    return reply(200, {})
end


function _M.counters()
    return reply(200, { ["a/b/c"] = { ["2xx"] = control:get("requests") or 0 } })
end


local function big_endian(n, bytes)
    local out = ""
    for _ = 1, bytes do
        out, n = string.char(n % 256) .. out, math.floor(n / 256)
    end
    return out
end


function _M.entries()
    local keys, out = store:get_keys(0), {}
    for i, key in ipairs(keys) do
        local value = store:get(key)
        out[i] = "S\0" .. big_endian(#key, 2) .. big_endian(#value, 4) .. key .. value
    end
    local header = { version = control:get("version") or 0, base = 0, time = ngx.now(), count = #keys }
    return reply(200, cjson.encode(header) .. "\n" .. table.concat(out))
end


-- For clients: the value of an entry, at once or after a while, and the pid of who answers.
function _M.answer()
    control:incr("requests", 1, 0)
    ngx.header.pid = ngx.worker.pid()
    if control:get("draining") then
        ngx.header.draining = "yes"
    end
    ngx.sleep(tonumber(ngx.var.arg_seconds) or 0)
    ngx.print(store:get(ngx.var.arg_key) or "none")
end


return _M

-- Memory in which requests are counted: read by the exporter, which is another process, while workers write.
--
-- One anonymous file (memfd) holds a region for each worker slot, each with the same cells; another one says, a JSON object
-- a line, what each cell stands for. The master makes both and every worker inherits them; so what a worker has counted
-- outlives it, and no disk can be full. A worker writes in its own slot alone, without a lock. Memory is reserved before it
-- is touched: where none can be had, and where all cells are taken, requests are counted in cell 0, which says so.

local cjson = require "cjson"
local ffi = require "ffi"
local bit = require "bit"
local conf = require "tidegate.settings"

local control = ngx.shared.tidegate_control
local directory = ngx.shared.tidegate_counters
local C = ffi.C
local floor = math.floor

local LEAST_SLOTS, MOST_SLOTS = 32, 1000
local GENERATIONS = 6       -- that may live at one time, those that finish included
local HEAD_BYTES = 4096
local STEP = 64             -- cells reserved at once
local CLAIM_SECONDS = 60    -- how long a taken-over slot is not taken over from the same dead worker again
local CLOSE_ON_EXEC = 1
local GET_FLAGS, SET_FLAGS, APPEND = 3, 4, 1024
local READ_WRITE, SHARED = 3, 1
local NO_SUCH_PROCESS = 3

ffi.cdef [[
int memfd_create(const char *name, unsigned int flags);
int ftruncate(int fd, long length);
int posix_fallocate(int fd, long offset, long length);
int fcntl(int fd, int command, ...);
long write(int fd, const void *data, size_t count);
int kill(int pid, int signal);
void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
typedef struct {
    uint32_t magic, cell_bytes, cells, slots;
    int32_t pid[1000];
} tidegate_cells_head;
]]

local MAGIC = 0x54474d31    -- "TGM1"

local _M = { used = false }

local slots, head, base, cells_fd, labels_fd, name, cell_type, cell_bytes, region_bytes
local slot
local reserved = {}         -- numbers of the steps that this worker has reserved
local spare                 -- a cell of this worker's own, where nothing can be reserved


local function say(text)
    text = text .. "\n"
    return C.write(labels_fd, text, #text) == #text
end


local function make(bytes)
    cells_fd = C.memfd_create("tidegate-cells-" .. name, CLOSE_ON_EXEC)
    labels_fd = C.memfd_create("tidegate-labels-" .. name, CLOSE_ON_EXEC)
    if cells_fd < 0 or labels_fd < 0 or C.ftruncate(cells_fd, bytes) ~= 0
        or C.posix_fallocate(cells_fd, 0, HEAD_BYTES) ~= 0 then
        return nil
    end
    C.fcntl(labels_fd, SET_FLAGS, ffi.new("int", bit.bor(C.fcntl(labels_fd, GET_FLAGS), APPEND)))
    local memory = C.mmap(nil, bytes, READ_WRITE, SHARED, cells_fd, 0)
    if memory == ffi.cast("void *", -1) then
        return nil
    end
    -- Not as JSON, whose numbers have fourteen digits: an address has fifteen.
    control:set("cells/" .. name, ("%.0f %d %d"):format(
        tonumber(ffi.cast("uintptr_t", memory)), cells_fd, labels_fd
    ))
    return memory
end


-- Memory of an earlier generation of the same layout, or new memory.
local function map(bytes)
    local known = control:get("cells/" .. name)
    if not known then
        return make(bytes)
    end
    local address, cells_at, labels_at = known:match("^(%d+) (%d+) (%d+)$")
    cells_fd, labels_fd = tonumber(cells_at), tonumber(labels_at)
    return ffi.cast("void *", ffi.cast("uintptr_t", tonumber(address)))
end


-- The same text for the same layout, which JSON is not.
local function signature(layout)
    local parts = {}
    for key, value in pairs(layout) do
        value = type(value) == "table" and table.concat(value, ",") or tostring(value)
        parts[#parts + 1] = key .. "=" .. value
    end
    table.sort(parts)
    return table.concat(parts, ";")
end


-- In the master: make the memory for cells of a C type, which `layout` describes to the exporter.
function _M.prepare(struct, layout)
    slots = math.min(MOST_SLOTS, math.max(LEAST_SLOTS, GENERATIONS * ngx.worker.count()))
    layout.cells, layout.slots = conf.metrics.cells, slots
    name = ("%08x"):format(ngx.crc32_long(signature(layout)))
    cell_type, cell_bytes = ffi.typeof("$ *", ffi.typeof(struct)), ffi.sizeof(struct)
    region_bytes = math.ceil(conf.metrics.cells * cell_bytes / 4096) * 4096
    spare = ffi.new(ffi.typeof("$[1]", ffi.typeof(struct)))
    local memory = map(HEAD_BYTES + slots * region_bytes)
    if not memory then
        ngx.log(ngx.ERR, "no memory to count requests in: they are not counted")
        return false
    end
    head = ffi.cast("tidegate_cells_head *", memory)
    if head.magic ~= MAGIC then
        head.cell_bytes, head.cells, head.slots = cell_bytes, conf.metrics.cells, slots
        head.magic = MAGIC
        say(cjson.encode(layout))
    end
    _M.used = true
    return true
end


local function reserve(step)
    if reserved[step] then
        return true
    end
    local from = HEAD_BYTES + slot * region_bytes + step * STEP * cell_bytes
    if not slot or C.posix_fallocate(cells_fd, from, STEP * cell_bytes) ~= 0 then
        return false
    end
    reserved[step] = true
    return true
end


local function is_free(number)
    local pid = head.pid[number]
    return pid == 0 or (C.kill(pid, 0) ~= 0 and ffi.errno() == NO_SUCH_PROCESS)
end


-- In each worker: take a slot that no live worker has, and go on counting where a dead one ended.
function _M.begin()
    for number = 0, _M.used and slots - 1 or -1 do
        if is_free(number) then
            local claim = "claim/" .. name .. "/" .. number .. "/" .. head.pid[number]
            if control:incr(claim, 1, 0, CLAIM_SECONDS) == 1 then
                head.pid[number] = ngx.worker.pid()
                slot = number
                break
            end
        end
    end
    base = slot and ffi.cast(cell_type, ffi.cast("char *", head) + HEAD_BYTES + slot * region_bytes)
    if not base or not reserve(0) then
        base = nil
        if _M.used then
            ngx.log(ngx.ERR, "this worker's requests are not counted: no slot or no memory")
        end
    end
    return base or spare
end


local function new_number(key, labels)
    local number = directory:incr("\1next/" .. name, 1, 0)
    if not number or number >= conf.metrics.cells then
        return 0
    end
    labels.n = number
    -- Said before any worker counts there: a number that was lost with its worker is no harm.
    if not say(cjson.encode(labels)) then
        return 0
    end
    local ok, err = directory:safe_add(key, number)
    return ok and number or err == "exists" and directory:get(key) or 0
end


-- Number of the cell of a key; `describe(...)` gives its labels. Cell 0 if there is none to be had.
function _M.number(key, describe, ...)
    if not base then
        return 0
    end
    key = name .. "\1" .. key
    local number = directory:get(key) or new_number(key, describe(...))
    return number ~= 0 and reserve(floor(number / STEP)) and number or 0
end


-- Hand each key with its number to `take`.
function _M.each(take)
    local prefix = (name or "") .. "\1"
    for _, key in ipairs(_M.used and directory:get_keys(0) or {}) do
        if key:sub(1, #prefix) == prefix then
            take(key:sub(#prefix + 1), directory:get(key))
        end
    end
end


-- The cells of one number, in the slots of all workers that there were.
function _M.of(number)
    local found, at = {}, 0
    for n = 0, slots - 1 do
        if head.pid[n] ~= 0 then
            at = at + 1
            local region = ffi.cast("char *", head) + HEAD_BYTES + n * region_bytes
            found[at] = ffi.cast(cell_type, region) + number
        end
    end
    return found
end


return _M

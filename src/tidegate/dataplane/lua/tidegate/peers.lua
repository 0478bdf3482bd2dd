-- The endpoints of the stream module's upstream blocks, set in the memory from which nginx itself chooses: the zone that
-- all workers share. nginx's own round robin, retries and failure marks then hold for TCP, UDP and passed-through TLS at
-- no cost per connection, and what is set here is in force in all workers at once.
--
-- There is no Lua in nginx's stream module, so this reaches it by the layout of its structures, and refuses to touch
-- anything where that layout is not certain: the version must be one that was looked at, and every upstream block must
-- show, in the places where they are expected, the name and the placeholder that the configuration gave it.
--
-- An upstream's list is: its endpoints, then the placeholder (down, never chosen), which carries what belongs to the list.
-- Endpoints that are gone are kept until no connection counts on them, since any worker may still read them.

local ffi = require "ffi"
local bit = require "bit"

local C = ffi.C
local cast, copy, fill, sizeof, str = ffi.cast, ffi.copy, ffi.fill, ffi.sizeof, ffi.string
local floor, min = math.floor, math.min

ffi.cdef [[
typedef struct { size_t len; unsigned char *data; } tg_text;

typedef struct tg_peer_s tg_peer;
struct tg_peer_s {
    unsigned char *address;
    unsigned int address_length;
    tg_text name, server;
    intptr_t current_weight, effective_weight, weight;
    uintptr_t conns, max_conns, fails;
    long accessed, checked;
    uintptr_t max_fails;
    long fail_timeout;
    uintptr_t slow_start, start_time, down;
    void *ssl_session;
    int ssl_session_length;
    uintptr_t lock;
    tg_peer *next;
    /* nginx leaves these 25 words of a build with --with-compat to others: */
    tg_peer *gone, *gone_last;
    double version;
    double gone_at;
    unsigned char own_address[32];
    unsigned char own_name[64];
    uint64_t spare[9];
};

typedef struct tg_peers_s tg_peers;
struct tg_peers_s {
    uintptr_t number;
    void *pool;
    uintptr_t lock;
    tg_peers *zone_next;
    uintptr_t total_weight, tries;
    unsigned int single : 1, weighted : 1;
    tg_text *name;
    tg_peers *backup;
    tg_peer *first;
};

typedef struct {
    void *init_upstream, *init;
    tg_peers *peers;
    void *conf, *servers;
    uintptr_t flags;
    tg_text name;
} tg_upstream;

typedef struct { tg_upstream **items; uintptr_t count; } tg_upstreams;
typedef struct { tg_upstreams ***main; } tg_stream_conf;
typedef struct { uintptr_t context_index, index; } tg_module;
typedef struct { void *items; uintptr_t count; size_t size; uintptr_t room; void *pool; } tg_array;
typedef struct {
    tg_stream_conf **conf;
    void *pool, *log, *new_log[10];
    uintptr_t log_use_stderr;
    void *files, *free_connections;
    uintptr_t free_connection_count;
    void *modules;
    uintptr_t module_count, modules_used;
    void *reusable_connections[2];
    uintptr_t reusable_connection_count;
    long reused_at;
    tg_array listening;
} tg_cycle;

extern tg_cycle *ngx_cycle;
extern tg_module ngx_stream_module, ngx_stream_upstream_module;
void *ngx_slab_calloc(void *pool, size_t size);
void ngx_slab_free(void *pool, void *p);
void ngx_rwlock_wlock(uintptr_t *lock);
void ngx_rwlock_unlock(uintptr_t *lock);
int inet_pton(int family, const char *text, void *address);
]]

local KNOWN = { [1026003] = true }
local PLACEHOLDER = "0.0.0.1:1"
local MARK = 61713              -- max_fails and fail_timeout of the placeholder, as render writes them
local MOST = 1024               -- endpoints of one upstream: a connection notes which it tried in so many bits
local MAX_FAILS = 1
local FAIL_SECONDS = 10
local KEPT_SECONDS = 60         -- far longer than from a worker's last count of a connection to its line in the log
local LOOKED_AT = 4             -- of those, for one that can be used again
local AF_INET, AF_INET6 = 2, 10

local NULL = cast("tg_peer *", nil)

local _M = { MOST = MOST }

local groups = {}               -- by name


local function text(value)
    return str(value.data, value.len)
end


local function is_placeholder(peer)
    return peer.down == 1 and peer.max_fails == MARK and peer.fail_timeout == MARK
        and peer.name.len == #PLACEHOLDER and text(peer.name) == PLACEHOLDER
end


-- The last of a list, or nil if it is not what the configuration put there.
local function placeholder(group)
    local peer = group.peers.first
    for _ = 0, MOST do
        if peer == NULL then
            return nil
        end
        if peer.next == NULL then
            return is_placeholder(peer) and peer or nil
        end
        peer = peer.next
    end
    return nil
end


local function group_of(upstream)
    local name = text(upstream.name)
    local peers = upstream.peers
    if peers == nil or peers.pool == nil or peers.backup ~= nil or text(peers.name[0]) ~= name then
        return nil, name
    end
    return { name = name, peers = peers }, name
end


local function under_lock(group, call, ...)
    local lock = cast("uintptr_t *", cast("char *", group.peers) + ffi.offsetof("tg_peers", "lock"))
    C.ngx_rwlock_wlock(lock)
    local done, result, err = pcall(call, group, ...)
    C.ngx_rwlock_unlock(lock)
    if not done then
        return nil, result
    end
    return result, err
end


-- A new list: what a connection that has begun noted of the old one must never be too small for a longer one.
local function begin(group)
    group.last = placeholder(group)
    if not group.last then
        return nil
    end
    if group.last.version == 0 then
        group.peers.single = 0
        group.peers.number = MOST
    end
    return true
end


-- Tell whether the layout of this nginx was looked at.
function _M.is_known()
    return KNOWN[ngx.config.nginx_version] == true
end


-- In each worker, before it accepts: find the upstream blocks. Gives their names; or nil and the reason why none is touched.
function _M.find()
    groups = {}
    if not _M.is_known() then
        return nil, "the memory layout of nginx " .. ngx.config.nginx_version .. " is not known"
    end
    local conf = C.ngx_cycle.conf[C.ngx_stream_module.index]
    if conf == nil then
        return {}
    end
    local upstreams = cast("tg_upstreams *", conf.main[C.ngx_stream_upstream_module.context_index])
    local names, found = {}, {}
    for i = 0, tonumber(upstreams.count) - 1 do
        local group, name = group_of(upstreams.items[i])
        if not group or not under_lock(group, begin) then
            return nil, "upstream " .. name .. " does not lie in memory as expected"
        end
        found[name] = group
        names[#names + 1] = name
    end
    groups = found
    return names
end


local function write_address(peer, address, port)
    local at = peer.own_address
    local is_v6 = address:find(":", 1, true) ~= nil
    local family = is_v6 and AF_INET6 or AF_INET
    cast("uint16_t *", at)[0] = family
    at[2] = bit.rshift(port, 8)
    at[3] = bit.band(port, 255)
    if C.inet_pton(family, address, at + (is_v6 and 8 or 4)) ~= 1 then
        return false
    end
    local name = (is_v6 and "[" .. address .. "]" or address) .. ":" .. port
    if #name > sizeof(peer.own_name) then
        return false
    end
    peer.address = at
    peer.address_length = is_v6 and 28 or 16
    copy(peer.own_name, name, #name)
    peer.name.data, peer.name.len = peer.own_name, #name
    peer.server = peer.name
    return true
end


local function prepare(peer, address, port)
    fill(peer, sizeof("tg_peer"))
    if not write_address(peer, address, port) then
        return false
    end
    peer.weight, peer.effective_weight = 1, 1
    peer.max_fails, peer.fail_timeout = MAX_FAILS, FAIL_SECONDS
    return true
end


-- Those that are gone wait in the order in which they went, the placeholder holding both ends of the queue.
local function let_go(group, peer, now)
    local last = group.last
    peer.gone_at = now
    peer.gone = NULL
    if last.gone == NULL then
        last.gone = peer
    else
        last.gone_last.gone = peer
    end
    last.gone_last = peer
end


local function oldest(group)
    local peer = group.last.gone
    group.last.gone = peer.gone
    return peer
end


-- Memory for one more endpoint: that of one long gone, or fresh; nil if there is none left.
local function room(group, now)
    for _ = 1, LOOKED_AT do
        local first = group.last.gone
        if first == NULL or now - first.gone_at < KEPT_SECONDS then
            break
        end
        local peer = oldest(group)
        if peer.conns == 0 then
            return peer
        end
        let_go(group, peer, now)
    end
    local fresh = C.ngx_slab_calloc(group.peers.pool, sizeof("tg_peer"))
    return fresh ~= nil and cast("tg_peer *", fresh) or nil
end


local function present(group)
    local there = {}
    local peer = group.peers.first
    while peer ~= group.last do
        there[text(peer.name)] = peer
        peer = peer.next
    end
    return there
end


local function free_all(group, peers)
    for _, peer in pairs(peers) do
        C.ngx_slab_free(group.peers.pool, peer)
    end
end


local function link(group, chain)
    local peers, n = group.peers, #chain
    for i = 1, n do
        chain[i].next = chain[i + 1] or group.last
    end
    peers.first = chain[1] or group.last
    peers.total_weight = n
    peers.tries = n > 0 and n or 1
    -- nginx always tries an only endpoint, marked as failed or not.
    peers.single = n == 1 and 1 or 0
end


local function put(group, endpoints, version, now)
    if group.last.version >= version then
        return true
    end
    local there = present(group)
    local chain, fresh = {}, {}
    if #endpoints >= MOST then
        ngx.log(ngx.WARN, group.name, " uses ", MOST - 1, " of its ", #endpoints, " endpoints")
    end
    for i = 1, min(#endpoints, MOST - 1) do
        local address, port = endpoints[i][1], endpoints[i][2]
        local name = (address:find(":", 1, true) and "[" .. address .. "]" or address) .. ":" .. port
        local peer = there[name]
        there[name] = nil
        if not peer then
            peer = room(group, now)
            if not peer then
                free_all(group, fresh)
                return nil, "no memory"
            end
            if prepare(peer, address, floor(port)) then
                fresh[name] = peer
            else
                C.ngx_slab_free(group.peers.pool, peer)
                peer = nil
            end
        end
        chain[#chain + 1] = peer
    end
    link(group, chain)
    for _, peer in pairs(there) do
        let_go(group, peer, now)
    end
    group.last.version = version
    return true
end


-- Set the endpoints ({address, port} each) of an upstream block as of a version; older than what is there changes nothing.
-- Gives true, or nil and the reason; then all is as it was.
function _M.set(name, endpoints, version)
    local group = groups[name]
    if not group then
        return true
    end
    return under_lock(group, put, endpoints, version, ngx.now())
end


-- Names of the endpoints of an upstream block, in the order of the list; for tests and for status.
function _M.list(name)
    local group = groups[name]
    local names = {}
    local peer = group and group.peers.first
    while peer and peer ~= group.last do
        names[#names + 1] = text(peer.name)
        peer = peer.next
    end
    return names
end


return _M

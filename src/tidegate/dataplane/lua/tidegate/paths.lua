-- The paths of one host, laid out so that a lookup costs the same for one path and for ten thousand.
--
-- On a plain host every rule unfolds as nginx would lay out its locations: `exact` holds whole paths, `under` holds
-- directory prefixes with their final slash (`root` is that of "/"), and they are derived from the rules, one stem (path
-- without final slash) at a time. `deepest` is the number of slashes of the deepest prefix. On a regex host the rules stand
-- in a list, in the order in which they are tried. A target is whatever the caller gave; this module only hands it back.

local re_find = ngx.re.find
local find, sub, gsub, byte = string.find, string.sub, string.gsub, string.byte
local insert, remove = table.insert, table.remove

local SLASH = 47
local REGEX_FLAGS = "ijo"

local _M = {}

-- What a host without such paths shares with all others: most have one prefix and nothing else, and there are thousands.
local NONE = {}

-- Fields that a host object lacks are found here. A host without paths of its own has no root either.
_M.class = {
    exact = NONE, under = NONE, list = NONE,
    deepest = 1,            -- 0 marks a regex host
    guarded = false,        -- see doubts.lua
}


-- Prepare a host object for its paths; `to_slash` is the target for a path that lacks only its final slash.
function _M.init(host, is_regex, to_slash)
    host.exact, host.under, host.deepest = NONE, NONE, is_regex and 0 or 1
    if is_regex then
        host.list = {}
    else
        -- Apart, so that a host that is done has eight fields or fewer: nine would take twice the memory.
        host.building = { exact = {}, prefix = {}, to_slash = to_slash }
    end
end


-- Drop what is only needed to change single rules later.
function _M.seal(host)
    host.building = nil
end


local function put(host, field, key, value)
    if host[field] == NONE then
        if value == nil then
            return
        end
        host[field] = {}
    end
    host[field][key] = value
end


local function derive(host, stem)
    local with_slash = stem .. "/"
    local building = host.building
    local from_plain, from_slash = building.prefix[stem], building.prefix[with_slash]
    local inside = from_slash or from_plain
    if stem == "" then
        host.root = inside
    else
        put(host, "under", with_slash, inside)
        local implied = from_slash and building.to_slash or nil
        put(host, "exact", stem, building.exact[stem] or from_plain or implied)
    end
    if inside then
        local _, slashes = gsub(with_slash, "/", "")
        if slashes > host.deepest then
            host.deepest = slashes
        end
    end
    put(host, "exact", with_slash, building.exact[with_slash])
end


local function set_plain(host, kind, path, target)
    local rules = kind == "e" and host.building.exact or host.building.prefix
    rules[path] = target
    derive(host, byte(path, -1) == SLASH and sub(path, 1, -2) or path)
end


-- Longer patterns first, then by text descending (reference g.2).
local function comes_before(a, b)
    if #a ~= #b then
        return #a > #b
    end
    return a > b
end


-- Index of the first item that does not come before the path.
local function place(list, path)
    local low, high = 1, #list + 1
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        if comes_before(list[middle].path, path) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end


local function set_regex(host, kind, path, target)
    local list = host.list
    local at = place(list, path)
    while list[at] and list[at].path == path and list[at].kind < kind do
        at = at + 1
    end
    local there = list[at] and list[at].path == path and list[at].kind == kind
    if not target then
        if there then
            remove(list, at)
        end
    elseif there then
        list[at].target = target
    else
        insert(list, at, { kind = kind, path = path, pattern = "^" .. path, target = target })
    end
end


-- Say where a rule leads; nil takes the rule away.
function _M.set(host, kind, path, target)
    if host.deepest == 0 then
        set_regex(host, kind, path, target)
    else
        set_plain(host, kind, path, target)
    end
end


local function first_regex(host, uri)
    local list = host.list
    for i = 1, #list do
        if re_find(uri, list[i].pattern, REGEX_FLAGS) then
            return list[i].target
        end
    end
end


-- Beyond the unrolled depth: collect the slashes from the third on, then look from the longest prefix down.
local function deeper(host, uri, third)
    local ends, n, at = {}, 0, third
    while at do
        n = n + 1
        ends[n] = at
        at = n + 2 < host.deepest and find(uri, "/", at + 1, true)
    end
    for i = n, 1, -1 do
        local target = host.under[sub(uri, 1, ends[i])]
        if target then
            return target
        end
    end
end


-- Target for a normalized path, or nil. Unrolled, for a loop here would end the JIT's trace.
function _M.lookup(host, uri)
    local target = host.exact[uri]
    if target then
        return target
    end
    local deepest = host.deepest
    if deepest < 2 then
        if deepest == 0 then
            return first_regex(host, uri)
        end
        return host.root
    end
    local second = find(uri, "/", 2, true)
    if not second then
        return host.root
    end
    local under = host.under
    local third = deepest > 2 and find(uri, "/", second + 1, true)
    if not third then
        return under[sub(uri, 1, second)] or host.root
    end
    if deepest == 3 then
        return under[sub(uri, 1, third)] or under[sub(uri, 1, second)] or host.root
    end
    return deeper(host, uri, third) or under[sub(uri, 1, second)] or host.root
end


return _M

-- The paths of one host, laid out so that a lookup costs the same for one path and for ten thousand.
--
-- On a plain host every rule unfolds as nginx would lay out its locations: `exact` holds whole paths, `under` holds
-- directory prefixes with their final slash, and both are derived from the rules, one stem (path without final slash) at
-- a time. `deepest` is the number of slashes of the deepest prefix. On a regex host the rules stand in a list, in the
-- order in which they are tried. A target is whatever the caller gave; this module only hands it back.

local re_find = ngx.re.find
local find, sub, gsub, byte = string.find, string.sub, string.gsub, string.byte
local insert, remove = table.insert, table.remove

local SLASH = 47
local REGEX_FLAGS = "ijo"

local _M = {}
local mt = { __index = _M }


-- `to_slash` is the target for a path that lacks only its final slash.
function _M.new(is_regex, to_slash)
    return setmetatable({
        is_regex = is_regex, to_slash = to_slash,
        exact = {}, under = {}, deepest = 1, root = nil,
        list = {},
        rules_exact = {}, rules_prefix = {},    -- path as written -> target
    }, mt)
end


local function derive(self, stem)
    local with_slash = stem .. "/"
    local from_plain, from_slash = self.rules_prefix[stem], self.rules_prefix[with_slash]
    local inside = from_slash or from_plain
    self.under[with_slash] = inside
    if inside then
        local _, slashes = gsub(with_slash, "/", "")
        if slashes > self.deepest then
            self.deepest = slashes
        end
    end
    self.root = self.under["/"]
    self.exact[with_slash] = self.rules_exact[with_slash]
    if stem ~= "" then
        self.exact[stem] = self.rules_exact[stem] or from_plain or (from_slash and self.to_slash)
    end
end


local function set_plain(self, kind, path, target)
    local rules = kind == "e" and self.rules_exact or self.rules_prefix
    rules[path] = target
    derive(self, byte(path, -1) == SLASH and sub(path, 1, -2) or path)
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


local function set_regex(self, kind, path, target)
    local list = self.list
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
function _M.set(self, kind, path, target)
    if self.is_regex then
        set_regex(self, kind, path, target)
    else
        set_plain(self, kind, path, target)
    end
end


local function first_regex(self, uri)
    local list = self.list
    for i = 1, #list do
        if re_find(uri, list[i].pattern, REGEX_FLAGS) then
            return list[i].target
        end
    end
end


-- Beyond the unrolled depth: collect the slashes from the third on, then look from the longest prefix down.
local function deeper(self, uri, third)
    local ends, n, at = {}, 0, third
    while at do
        n = n + 1
        ends[n] = at
        at = n + 2 < self.deepest and find(uri, "/", at + 1, true)
    end
    for i = n, 1, -1 do
        local target = self.under[sub(uri, 1, ends[i])]
        if target then
            return target
        end
    end
end


-- Target for a normalized path, or nil. Unrolled, for a loop here would end the JIT's trace.
function _M.lookup(self, uri)
    local target = self.exact[uri]
    if target then
        return target
    end
    local deepest = self.deepest
    if deepest == 1 then
        if self.is_regex then
            return first_regex(self, uri)
        end
        return self.root
    end
    local second = find(uri, "/", 2, true)
    if not second then
        return self.root
    end
    local under = self.under
    local third = deepest > 2 and find(uri, "/", second + 1, true)
    if not third then
        return under[sub(uri, 1, second)] or self.root
    end
    if deepest == 3 then
        return under[sub(uri, 1, third)] or under[sub(uri, 1, second)] or self.root
    end
    return deeper(self, uri, third) or under[sub(uri, 1, second)] or self.root
end


return _M

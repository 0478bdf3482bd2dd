-- EWMA: of two endpoints drawn by chance, the one that answers sooner.
--
-- An endpoint's score is a moving average of the seconds that its answers took to begin, shared by all workers: what one has
-- learned of a slow endpoint, the others need not learn. It fades with the time since the last answer (ten seconds to a
-- third), so that an endpoint that was slow is tried again. It rises faster than it falls: half the way to a worse time at
-- once. What counts is the score times the requests that this worker has on their way there, so that an endpoint which has
-- just ceased to answer loses its share before it has a score. New endpoints start at the mean of the others.

local ffi = require "ffi"
local feedback = require "tidegate.feedback"
local slots = require "tidegate.slots"

local exp, max, random = math.exp, math.max, math.random
local now = ngx.now

ffi.cdef [[
typedef struct { int32_t tag; int32_t unused; volatile double score; volatile double touched; } tidegate_score;
]]

local COUNT = 65536         -- 1.5 MB, of which only what is used takes memory
local DECAY = 10            -- seconds
local LEAST = 0.0005        -- seconds: below what nginx's clock tells apart, pending requests decide alone
local FAILED = 1            -- seconds that an endpoint which gave no answer counts as

local scores = slots.array("scores", "tidegate_score", COUNT, function(slot)
    return now() - slot.touched
end)

local _M = {}


local function score_of(slot, time)
    return slot.score * exp(-max(time - slot.touched, 0) / DECAY)
end


function _M.done(peer, has_failed, seconds)
    peer.pending = peer.pending - 1
    local slot, time = peer.slot, now()
    local old = score_of(slot, time)
    local seen = has_failed and max(seconds or 0, FAILED) or seconds
    local kept = exp(-max(time - slot.touched, 0) / DECAY)
    local score = slot.score * kept + seen * (1 - kept)
    if seen > old then
        score = max(score, old + (seen - old) / 2)
    end
    slot.score, slot.touched = score, time
end


local function mean(peers, time)
    local sum, n = 0, 0
    for i = 1, #peers do
        if not peers[i].is_new then
            sum, n = sum + score_of(peers[i].slot, time), n + 1
        end
    end
    return n > 0 and sum / n or 0
end


-- An endpoint that another worker has met a moment ago keeps the score that it has by now.
local function start_new(peers)
    local time = now()
    local start
    for i = 1, #peers do
        local peer = peers[i]
        if peer.is_new then
            peer.is_new = nil
            if time - peer.slot.touched > DECAY then
                start = start or mean(peers, time)
                peer.slot.score, peer.slot.touched = start, time
            end
        end
    end
end


local own = {}              -- scores of this worker alone, if the shared ones are used up


local function slot_of(name)
    local slot = scores:find(name)
    if not slot then
        own[name] = own[name] or ffi.new("tidegate_score[1]")
        slot = ffi.cast("tidegate_score *", own[name])
    end
    return slot
end


function _M.prepare(balance, names, before)
    local old, peers, by_name = before and before.by_name or {}, {}, {}
    for i = 1, #names do
        local name = names[i]
        local peer = old[name] or { pending = 0, slot = slot_of(name), is_new = true }
        peers[i], by_name[name] = peer, peer
    end
    balance.peers, balance.by_name, balance.done = peers, by_name, _M.done
    start_new(peers)
end


local function draw(count, names, tried, other)
    local at = random(count)
    for _ = 1, count do
        if at ~= other and not (tried and tried[names[at]]) then
            return at
        end
        at = at < count and at + 1 or 1
    end
end


local function cost(peer, time)
    return max(score_of(peer.slot, time), LEAST) * (peer.pending + 1)
end


function _M.pick(backend, tried)
    local balance, count = backend.balance, backend.count
    local peers, names, time = balance.peers, balance.names, now()
    local first = draw(count, names, tried) or random(count)
    local second = count > 1 and draw(count, names, tried, first)
    local best = second and cost(peers[second], time) < cost(peers[first], time) and second or first
    peers[best].pending = peers[best].pending + 1
    feedback.begin(balance, peers[best])
    return best
end


return _M

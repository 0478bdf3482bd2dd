-- Stapling: the issuer's word that a certificate is not revoked, sent with the handshake (ConfigMap `enable-ocsp`).
--
-- A handshake never waits for it: it staples what is there, and what is missing or grows old is fetched by a timer, by one
-- worker for all. What cannot be fetched or is not good is left out, as if there were no stapling.

local api = require "ngx.ocsp"
local ssl = require "ngx.ssl"
local http = require "tidegate.fetching"

local cache = ngx.shared.tidegate_ocsp

local LOCK = "l"
local ANSWER = "a"
local PATIENCE = 60             -- seconds until the next attempt, be the last one done or not
local REFRESH = 3600            -- seconds after which an answer is asked for again
local LONGEST = 7 * 86400       -- seconds that an answer without an end counts
local CLOCK_SKEW = 60           -- seconds before its end after which an answer is no longer sent

local _M = {}


-- What stapling needs to know of a certificate, or nil if its issuer gives no such answers.
function _M.prepare(entry)
    local chain, url, err
    chain, err = ssl.cert_pem_to_der(entry.crt)
    if chain then
        url, err = api.get_ocsp_responder_from_der_chain(chain)
    end
    if not url or url == "" then
        ngx.log(ngx.INFO, "certificate ", entry.fp, " is not stapled: ", err or "it names no responder")
        return nil
    end
    return { chain = chain, url = url, id = entry.fp }
end


local function fetch(stapling)
    local request, body, err
    request, err = api.create_ocsp_request(stapling.chain)
    if request then
        body, err = http.post(stapling.url, "application/ocsp-request", request)
    end
    if not body then
        return nil, err
    end
    local ok, next_update = api.validate_ocsp_response(body, stapling.chain)
    if not ok then
        return nil, next_update
    end
    local seconds = next_update and next_update - ngx.time() - CLOCK_SKEW or LONGEST
    if seconds <= 0 then
        return nil, "the answer has run out"
    end
    return cache:set(ANSWER .. stapling.id, body, seconds)
end


local function refresh(premature, stapling)
    if premature then
        return
    end
    local ok, err = fetch(stapling)
    if ok then
        cache:set(LOCK .. stapling.id, true, REFRESH)
    else
        ngx.log(ngx.WARN, "no OCSP answer for certificate ", stapling.id, " from ", stapling.url, ": ", err)
    end
end


-- Certificate phase: staple what is known, and see to it that it is known soon.
function _M.staple(stapling)
    local answer = cache:get(ANSWER .. stapling.id)
    if answer then
        local ok, err = api.set_ocsp_status_resp(answer)
        if not ok then
            ngx.log(ngx.ERR, "not stapled: ", err)
        end
    end
    if not cache:get(LOCK .. stapling.id) and cache:add(LOCK .. stapling.id, true, PATIENCE) then
        ngx.timer.at(0, refresh, stapling)
    end
end


return _M

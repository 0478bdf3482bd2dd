-- `allowlist-source-range`: clients outside the networks are answered 403.

local answers = require "tidegate.answers"
local client = require "tidegate.client"
local networks = require "tidegate.networks"

local _M = {}


function _M.prepare(get)
    local cidrs = get "allow"
    if not cidrs or #cidrs == 0 then
        return nil
    end
    local allowed = networks.compile(cidrs)
    return function()
        if not networks.contain(allowed, client.binary()) then
            return answers.status(403)
        end
    end
end


return _M

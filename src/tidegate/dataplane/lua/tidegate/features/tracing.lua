-- `enable-opentelemetry`: the request is part of a trace, which the backend is told of. Comes before all other steps, so
-- that requests which are answered here have spans too.

local conf = require "tidegate.settings"
local tracing = require "tidegate.tracing"

local _M = {}


function _M.prepare(get, plan)
    if not conf.tracing or not get "opentelemetry" then
        return nil
    end
    local how = {
        trusts = get "opentelemetry_trust",
        sampler = get "otel_sampler",
        ratio = get "otel_ratio" or 0,
        asks_parent = get "otel_parent_based",
    }
    plan.span_name = get "opentelemetry_name" or ""
    return function()
        tracing.begin(how)
    end
end


return _M

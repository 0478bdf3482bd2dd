-- `custom-http-errors` and `default-backend`: facts for errors.lua. No step: who has no error pays nothing.

local ipairs = ipairs

local _M = {}


function _M.prepare(get, plan)
    local listed, own = get "custom_errors", get "default_backend"
    if not own and not (listed and #listed > 0) then
        return
    end
    local codes = {}
    for _, code in ipairs(listed or {}) do
        codes[code] = true
    end
    -- Only a Service of the Ingress's own takes over where there are no endpoints (reference g.13).
    plan.errors = { codes = codes, own = own, common = get "default_backend_service" }
end


return _M

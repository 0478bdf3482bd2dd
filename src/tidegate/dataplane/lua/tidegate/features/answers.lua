-- `proxy-redirect-*` and `proxy-cookie-*`: see rewriting.lua.

local _M = {}


function _M.prepare(get, plan)
    plan.answers = get "answers"
end


return _M

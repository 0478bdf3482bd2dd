-- Answers that the gateway gives itself: names of the locations that give them (see templates in render/).

local var = ngx.var

local _M = {}


function _M.status(code)
    return "@e" .. code
end


function _M.redirect(code, location)
    var.tg_location = location
    return "@r" .. code
end


return _M

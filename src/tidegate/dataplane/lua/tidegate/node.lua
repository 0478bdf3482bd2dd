-- State of this nginx that is not an entry: which workers serve which configuration generation, and whether it drains.

local conf = require "tidegate.settings"
local page = require "tidegate.page"

local control = ngx.shared.tidegate_control

local REPORT = "worker/"

local _M = {}


-- Called by each worker when it starts to serve.
function _M.report()
    control:safe_set(REPORT .. conf.generation .. "/" .. ngx.worker.id(), ngx.worker.pid())
end


-- { generation -> { worker id -> pid } }
function _M.reported()
    local all = {}
    for _, key in ipairs(control:get_keys(0)) do
        local generation, id = key:match("^worker/([^/]*)/(%d+)$")
        if generation then
            all[generation] = all[generation] or {}
            all[generation][id] = control:get(key)
        end
    end
    return all
end


-- Forget the reports of generations that are over, but for the last few.
function _M.forget_generations(but)
    for _, key in ipairs(control:get_keys(0)) do
        local generation = key:match("^worker/([^/]*)/")
        if generation and generation ~= but then
            control:delete(key)
        end
    end
end


function _M.is_draining()
    return page.draining == 1
end


function _M.set_draining()
    page.draining = 1
end


return _M

-- nginx's variables and the answer's status, read without the metatables of `ngx.var` and `ngx`.
--
-- A function that is called as a metamethod cannot begin a trace of its own: the JIT tries, gives up, and in time refuses
-- every trace that would call it. What each request asks for is therefore asked for by plain functions.

local ffi = require "ffi"
local base = require "resty.core.base"
require "resty.core.var"
require "resty.core.misc"

local C = ffi.C
local ffi_string = ffi.string
local get_request = base.get_request
local errmsg = base.get_errmsg_ptr()

local LONGEST_NAME = 160    -- "cookie_" and the longest name of a cookie that is asked for
local LONGEST_PROBLEM = 256
local lower = ffi.new("char[?]", LONGEST_NAME)
local value = ffi.new("char *[1]")
local length = ffi.new("size_t[1]")
local lower_set = ffi.new("unsigned char[?]", LONGEST_NAME)
local problem = ffi.new("unsigned char[?]", LONGEST_PROBLEM)
local problem_length = ffi.new("size_t[1]", LONGEST_PROBLEM)

local _M = {}


-- Value of a variable by its name (of at most LONGEST_NAME bytes), or nil.
function _M.get(name)
    if C.ngx_http_lua_ffi_var_get(get_request(), name, #name, lower, 0, value, length, errmsg) == 0 then
        return ffi_string(value[0], length[0])
    end
end


-- Give a variable a value: `size` bytes at `data`, or a string.
function _M.set(name, data, size)
    C.ngx_http_lua_ffi_var_set(get_request(), name, #name, lower_set, data, size, problem, problem_length)
end


-- Status of the answer.
function _M.status()
    return C.ngx_http_lua_ffi_get_resp_status(get_request())
end


return _M

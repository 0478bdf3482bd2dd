-- How luacheck judges the Lua of the data plane: nginx's Lua API on LuaJIT, nothing global.
std = "ngx_lua+tidegate"
max_line_length = 110
max_comment_line_length = 125
max_string_line_length = 125
-- A feature takes what its interface hands it, needed or not, and methods take self.
ignore = { "212/self", "212/_.*" }

-- What the Lua module has and luacheck's own list lacks.
stds.tidegate = {
    read_globals = {
        ngx = {
            fields = {
                run_worker_thread = {},
                worker = { fields = { pids = {} } },
            },
        },
    },
}

-- What the phases call stands in globals, so that a phase costs one lookup; they are set here and nowhere else.
files["src/tidegate/dataplane/lua/tidegate/init.lua"] = { ignore = { "111/tidegate_.*" } }

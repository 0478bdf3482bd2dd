"""What an attacker writes into a field to break out of nginx's configuration, or into a shell, a path, a log."""

from __future__ import annotations

CANARY = "canary7f3a"
"""Stands in every payload: a byte of it in nginx.conf is a byte of a tenant's text."""

_ENDINGS = (
    ";", "{", "}", ";}", "};", "{}", "\n", "\r", "\r\n", "\t", "\x0b", "\x0c", "#", "# }\n", "'", '"', "`", "\\", "\\\\",
    '\\"', "\\n", "$", "${", "$$", "$host", "${host}", "$request_body", "$1", "%", "%0a", "%0d%0a", "%00", "%7d", "%22",
    "\x00", "\u2028", "\u2029", "\u0085", "\ufeff", "\u202e", "\xa0", "\ud7ff", "|", "&", "&&", "<", ">", "*", "?", "~",
    "..", "../../etc/passwd", "//", "(", ")", "(?", "(?{", "[", "]]", "--[[", "]=]", "{{", "{%", "<%", "\x1b[31m",
)  # fmt: skip

_WHOLE = (
    "/; return 200 {canary};",
    "/ {{ }} location /{canary} {{ return 200 x; }} #",
    "x; }} server {{ listen 9999; server_name {canary}; }} #",
    "\n}}\nlocation /{canary} {{ content_by_lua_block {{ os.execute('touch {file}') }} }}\n#",
    "\"; access_by_lua_block {{ io.open('{file}', 'w') }} #{canary}",
    "x;\nload_module /tmp/{canary}.so;\n",
    "x;\nssl_engine {canary};\n",
    "x; include /etc/passwd; #{canary}",
    "x; root /; autoindex on; #{canary}",
    "x; error_log {file} debug; #{canary}",
    "x; access_log {file}; #{canary}",
    "{canary}]] os.execute('touch {file}') --[[",
    "{canary}' .. os.execute('touch {file}') .. '",
    '{canary}" .. os.execute("touch {file}") .. "',
    "$(touch {file}){canary}",
    "`touch {file}`{canary}",
    "{canary}|touch {file}",
    "{canary}%0d%0aSet-Cookie: a=b",
    "{canary}\r\nSet-Cookie: a=b\r\n\r\n",
    "{canary}" + "A" * 65536,
    "(a+)+${canary}",
)


def payloads(file: str) -> list[str]:
    """Give all payloads; those that run something would make ``file``."""
    made = [f"{CANARY}{ending}x" for ending in _ENDINGS] + [f"{ending}{CANARY}" for ending in _ENDINGS[:20]]
    return made + [text.format(canary=CANARY, file=file) for text in _WHOLE]

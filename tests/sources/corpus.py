"""Bad input: texts of files, with the finding that each must lead to and its line.

Each is written beside a good file, and over a file that was good before (test_corpus.py).
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

HEAD = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n"


class Bad(NamedTuple):
    text: bytes
    type: str
    line: int
    ending: str = ".yaml"
    field: str = ""
    """The finding's field, if it matters."""


def _bomb() -> bytes:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 10)]
    return HEAD + b"spec:\n" + b"".join(b"  " + line + b"\n" for line in lines)


BAD: dict[str, Bad] = {
    # --- not YAML -----------------------------------------------------------------------------------------------------
    "tab as indentation": Bad(b"kind: Service\nmetadata:\n\tname: x\n", "NotYaml", 3),
    "flow that does not end": Bad(HEAD + b"spec: {ports: [", "NotYaml", 5),
    "quotes that do not end": Bad(HEAD + b'spec: "x\n', "NotYaml", 5),
    "two colons": Bad(HEAD + b"spec: a: b\n", "NotYaml", 5),
    "wrong indentation": Bad(HEAD + b" spec: x\n", "NotYaml", 5),
    "list in a mapping": Bad(HEAD + b"- x\n", "NotYaml", 5),
    "a marker inside quotes": Bad(HEAD + b'spec: "x\n---\n# y"\n', "NotYaml", 5),
    "an unknown escape": Bad(HEAD + b'spec: "\\q"\n', "NotYaml", 5),
    "a half surrogate": Bad(HEAD + b'spec: "\\ud800"\n', "NotYaml", 5),
    "an alias without anchor": Bad(HEAD + b"spec: *none\n", "NotYaml", 5),
    "an alias inside its anchor": Bad(HEAD + b"spec: &a [*a]\n", "NotYaml", 5),
    "an unknown tag handle": Bad(HEAD + b"spec: !x!y z\n", "NotYaml", 5),
    "a directive of the future": Bad(b"%YAML 3.0\n---\n" + HEAD, "NotYaml", 1),
    "a merge of text": Bad(HEAD + b"spec:\n  <<: text\n", "NotYaml", 6),
    "a merge of a list of text": Bad(HEAD + b"spec:\n  <<: [text]\n", "NotYaml", 6),
    "random bytes": Bad(bytes(range(255, 0, -1)), "NotText", 1),
    "a Jinja template": Bad(b"{{ if .Values.x }}\n" + HEAD + b"{{ end }}\n", "BadKey", 1),
    # --- not text -----------------------------------------------------------------------------------------------------
    "invalid UTF-8": Bad(HEAD + b"spec: \xff\n", "NotText", 5),
    "Latin-1": Bad(HEAD + "# für\n".encode("latin-1"), "NotText", 5),
    "a NUL": Bad(HEAD + b"spec: a\0b\n", "NotText", 5),
    "only NULs": Bad(b"\0" * 1000, "NotText", 1),
    "an escape character": Bad(HEAD + b"# \x1b[31m\n", "NotText", 5),
    "cut UTF-16": Bad(codecs.BOM_UTF16_LE + HEAD.decode().encode("utf-16-le")[:-1], "NotText", 1),
    "UTF-16 without mark": Bad(HEAD.decode().encode("utf-16-le"), "NotText", 1),
    # --- YAML that JSON is not ----------------------------------------------------------------------------------------
    "a key twice": Bad(HEAD + b"spec:\n  type: a\n  ports: []\n  type: b\n", "DuplicateKey", 8),
    "a key twice, written in two ways": Bad(HEAD + b'spec:\n  type: a\n  "type": b\n', "DuplicateKey", 7),
    "keys that are one number": Bad(HEAD + b"spec: {0x10: a, 16: b}\n", "DuplicateKey", 5),
    "a key twice in a flow": Bad(HEAD + b"spec: {a: 1, b: 2, a: 3}\n", "DuplicateKey", 5),
    "two merges": Bad(HEAD + b"x: &x {a: 1}\nspec:\n  <<: *x\n  <<: *x\n", "DuplicateKey", 8),
    "null as key": Bad(HEAD + b"spec: {~: 1}\n", "BadKey", 5),
    "a list as key": Bad(HEAD + b"spec:\n  ? [a]\n  : b\n", "BadKey", 6),
    "an alias of a mapping as key": Bad(HEAD + b"a: &a {x: y}\nspec:\n  *a : b\n", "BadKey", 7),
    "infinity": Bad(HEAD + b"spec: .inf\n", "NotYaml", 5),
    "not a number": Bad(HEAD + b"spec: .NaN\n", "NotYaml", 5),
    "an integer that is none": Bad(HEAD + b"spec: !!int x\n", "NotYaml", 5),
    "binary that is no text": Bad(HEAD + b"spec: !!binary /w==\n", "NotYaml", 5),
    # --- limits -------------------------------------------------------------------------------------------------------
    "an alias bomb": Bad(_bomb(), "TooManyAliases", 10),
    "an alias bomb of text": Bad(
        HEAD + b"a: &a " + b"x" * 1_000_000 + b"\nspec: [" + b"*a," * 20 + b"]\n", "TooManyAliases", 6
    ),
    "deep brackets": Bad(HEAD + b"spec: " + b"[" * 100_000 + b"\n", "TooDeep", 5),
    "deep blocks": Bad(HEAD + b"".join(b" " * i + b"a:\n" for i in range(100)), "TooDeep", 69),
    "deep lists": Bad(HEAD + b"spec: " + b"- " * 1000 + b"x\n", "NotYaml", 5),
    # --- YAML that is no object ---------------------------------------------------------------------------------------
    "text": Bad(b"hello\n", "NotAnObject", 1),
    "a list": Bad(b"- a\n- b\n", "NotAnObject", 1),
    "a number": Bad(b"--- 5\n", "NotAnObject", 1),
    "no kind": Bad(b"a: 1\nb: 2\n", "MissingField", 1, field="kind"),
    "kind null": Bad(b"apiVersion: v1\nkind:\n", "MissingField", 2, field="kind"),
    "kind a list": Bad(b"kind: [Service]\n", "WrongType", 1, field="kind"),
    "no version": Bad(b"kind: Service\nmetadata: {name: x}\n", "MissingField", 1, field="apiVersion"),
    "a former version": Bad(
        b"kind: Ingress\nmetadata: {name: x}\napiVersion: extensions/v1beta1\n",
        "WrongVersion",
        3,
        field="apiVersion",
    ),
    "items that are no objects": Bad(b"apiVersion: v1\nkind: List\nitems:\n- a\n", "NotAnObject", 4),
    "items that are no list": Bad(b"apiVersion: v1\nkind: List\nitems: {}\n", "", 0),
    # --- objects with wrong fields ------------------------------------------------------------------------------------
    "no metadata": Bad(b"apiVersion: v1\nkind: Service\n", "MissingField", 1, field="metadata"),
    "metadata null": Bad(b"apiVersion: v1\nkind: Service\nmetadata:\n", "WrongType", 3, field="metadata"),
    "no name": Bad(b"apiVersion: v1\nkind: Service\nmetadata:\n  generateName: a\n", "MissingField", 3),
    "a blank name": Bad(b"apiVersion: v1\nkind: Service\nmetadata:\n  name: ''\n", "MissingField", 4),
    "a name in capitals": Bad(b"apiVersion: v1\nkind: Service\nmetadata:\n  name: X\n", "InvalidName", 4),
    "a path as name": Bad(b"apiVersion: v1\nkind: Secret\nmetadata:\n  name: ../../x\n", "InvalidName", 4),
    "a number as name": Bad(b"apiVersion: v1\nkind: Service\nmetadata:\n  name: 8\n", "NotQuoted", 4),
    "a long namespace": Bad(HEAD + b"  namespace: " + b"x" * 64 + b"\n", "InvalidName", 5),
    "an annotation true": Bad(HEAD + b"  annotations:\n    a/b: x\n    c/d: true\n", "NotQuoted", 7),
    "an annotation on": Bad(HEAD + b"  annotations: {a: on}\n", "NotQuoted", 5),
    "an annotation 8": Bad(HEAD + b"  annotations:\n    a: 8\n", "NotQuoted", 6),
    "an annotation null": Bad(HEAD + b"  annotations:\n    a:\n    b: x\n", "NotQuoted", 6),
    "a label that is a list": Bad(HEAD + b"  labels:\n    a: []\n", "WrongType", 6),
    "a port as text": Bad(HEAD + b"spec:\n  ports:\n  - port: 80\n  - port: http\n", "WrongType", 8),
    "a port beyond all": Bad(HEAD + b"spec:\n  ports:\n  - port: 99999999999999999999\n", "WrongType", 7),
    "a port beyond 32 bits": Bad(HEAD + b"spec:\n  ports:\n  - port: 3000000000\n", "OutOfRange", 7),
    "no port": Bad(HEAD + b"spec:\n  ports:\n  - name: a\n", "MissingField", 7),
    "base64 that is none": Bad(
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\n  ok: YQ==\n  tls.key: hunter2!\n",
        "InvalidBase64",
        6,
    ),
    "too many annotations": Bad(HEAD + b"  annotations:\n    a: " + b"x" * 300_000 + b"\n", "TooLarge", 5),
    # --- JSON ---------------------------------------------------------------------------------------------------------
    "JSON cut short": Bad(b'{\n"kind": "Service",\n"metadata": {\n', "NotJson", 3, ".json"),
    "YAML in a JSON file": Bad(HEAD, "NotJson", 1, ".json"),
    "a comma too many": Bad(b'{"kind": "Service",\n}\n', "NotJson", 2, ".json"),
    "two values": Bad(b"{}\n{}\n", "NotJson", 2, ".json"),
    "a JSON key twice": Bad(
        b'{"kind": "Service", "apiVersion": "v1",\n "metadata":\n {"name": "x", "name": "y"}}',
        "DuplicateKey",
        3,
        ".json",
    ),
    "deep JSON": Bad(b"[" * 100_000, "TooDeep", 1, ".json"),
    "JSON in Latin-1": Bad(b'{"kind": "\xfc"}', "NotText", 1, ".json"),
    "a JSON port as text": Bad(
        b'{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "x"},\n"spec": {"ports": [\n\t{"port": "80"}]}}',
        "WrongType",
        3,
        ".json",
    ),
}
"""An empty type: no finding (the file is of no kind that is read)."""

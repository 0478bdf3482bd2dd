"""The commands by name, and where flags come from when they are not on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cyclopts
from cyclopts import App, CycloptsError, Group

import tidegate
from tidegate.cli._errors import WRONG_USE, CommandError, WrongUse

_SERVING: Final = Group("Serving", sort_key=1)
_LOOKING: Final = Group("Looking at a running gateway", sort_key=2)
_READING: Final = Group("Reading a folder", sort_key=3)
_OTHER: Final = Group("Other", sort_key=4)

_COMMANDS: Final = (
    ("run", _SERVING, "Run a gateway on a folder of manifests, in the foreground."),
    ("stop", _SERVING, "End a running gateway, its requests finished first."),
    ("routes", _LOOKING, "Show the routes in force: host, path, Ingress, backend."),
    ("backends", _LOOKING, "Show the backends in force, with their endpoints."),
    ("certs", _LOOKING, "Show the certificates in force, and which host uses which."),
    ("findings", _LOOKING, "Show what was refused or ignored, and why."),
    ("top", _LOOKING, "Show live which routes and endpoints are busy, slow or failing."),
    ("why", _LOOKING, "Say what happened to one request, and which change preceded it."),
    ("journal", _LOOKING, "Show what changed when, and which object it was."),
    ("info", _LOOKING, "Show how a running gateway is: versions, counts, queues, reloads."),
    ("check", _READING, "Judge a folder of manifests without a gateway."),
    ("explain", _READING, "Say what the gateway does with a request, and why."),
    ("ledger", _OTHER, "Load a service, account for every request, and judge what came back."),
    ("demo", _OTHER, "Run a gateway with a few example services, and show what it does."),
    ("version", _OTHER, "Show the version of every part, as loaded."),
)

_EPILOGUE: Final = """\
Examples:

    tidegate check examples/                        is anything wrong with these manifests?

    tidegate run --manifests examples/ --http-port 8080 --https-port 8443

    tidegate explain GET http://shop.example/cart   which rule takes this request?

    tidegate nginx -V                               the installed nginx; all that follows is nginx's

Exit codes: 0 fine, 1 found something, 2 wrong use, 3 the world failed.
"""


def run_command(words: Sequence[str]) -> int:
    """Run a command; give its exit code."""
    try:
        result = _app(words)(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _complain(_words(error), WRONG_USE)
    except CommandError as error:
        return _complain(str(error), error.code)
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _app(words: Sequence[str]) -> App:
    app = App(
        name="tidegate",
        help="Tidegate, the HTTP gateway into Kubernetes clusters.",
        help_epilogue=_EPILOGUE,
        help_format="plaintext",
        version=tidegate.__version__,
        config=_sources(words, os.environ),
    )
    for name, group, text in _COMMANDS:
        if name == "demo" and find_spec("tidegate.cli.demo") is None:
            continue
        app.command(f"tidegate.cli.{name}:{name}", name=name, group=group, help=text)
    # For --help only: main() does not come here with it.
    app.command(_nginx, name="nginx", group=_OTHER)
    return app


def _nginx(*arguments: str) -> int:
    """Run the installed nginx; all that follows is nginx's, as in `tidegate nginx -V`."""
    from tidegate.cli.nginx import nginx

    return nginx(list(arguments))


# --- where flags come from --------------------------------------------------------------------------------------


def _sources(words: Sequence[str], environ: Mapping[str, str]) -> list[Any]:
    """Give what fills in the flags that are not on the command line, the strongest first."""
    sources: list[Any] = [cyclopts.config.Env("TIDEGATE_", command=False)]
    if path := _config_file(words, environ):
        if not path.is_file():
            raise WrongUse(f'--config "{path}" is not accepted; it wants a TOML file that exists')
        # Commands share one file, and each takes of it what it knows; `run` knows everything.
        lenient = not words or words[0] != "run"
        sources.append(
            cyclopts.config.Toml(path, must_exist=True, use_commands_as_keys=False, allow_unknown=lenient)
        )
    return sources


def _config_file(words: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    for at, word in enumerate(words):
        if word == "--":
            break
        if word == "--config" and at + 1 < len(words):
            return Path(words[at + 1])
        if word.startswith("--config="):
            return Path(word.partition("=")[2])
    given = environ.get("TIDEGATE_CONFIG")
    return Path(given) if given else None


# --- complaints -------------------------------------------------------------------------------------------------


def _complain(text: str, code: int) -> int:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text.assemble(("tidegate: ", "bold red"), text), soft_wrap=True)
    return code


def _words(error: CycloptsError) -> str:
    """Say what is wrong with a command line, with what would be accepted."""
    text = " ".join(str(error).split())
    if isinstance(error, cyclopts.CoercionError) and "into bool" in text:
        text += " It wants true or false."
    if isinstance(error, cyclopts.UnknownOptionError):
        text += " `tidegate COMMAND --help` lists what there is."
    return text

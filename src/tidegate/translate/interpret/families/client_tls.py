"""Client certificates (reference a.4, g.16) and ciphers of a host (a.1): what a handshake needs to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tidegate.guard import Unacceptable, names, regex, values
from tidegate.guard.values import Type
from tidegate.model import Verify
from tidegate.translate.interpret.declarations import Annotation, Invalid, Part, Risk, Scope
from tidegate.translate.interpret.drafts import ClientAsk, Draft

SECRET: Final = "auth-tls-secret"  # noqa: S105 -- the name of an annotation
_SUBJECT: Final = "CN= and a regular expression, for example CN=(shop|office)"
_PAGE: Final = "a URL, or a path of the host, without a query"


def _subject(text: str) -> str:
    """Read a pattern for the subject of a certificate."""
    pattern = values.RX.parse(text)
    if not pattern.startswith("CN="):
        raise Unacceptable(_SUBJECT)
    regex.Pattern(pattern, ignore_case=False, anchored=False)
    return str(pattern)


def _depth(text: str) -> int:
    return int(values.integer(0, 100).parse(text)) or 1


def _page(text: str) -> str:
    page = str(values.BASIC.parse(text)) if not text.startswith("@") else text
    if page.startswith("@"):
        return "@" + names.header(page[1:])
    if page.startswith(("http://", "https://", "/")) and not page.startswith("//"):
        return page
    raise Unacceptable(_PAGE)


ANNOTATIONS: Final = (
    Annotation(
        SECRET,
        values.BASIC,
        Part("client_secret"),
        "Secret (`namespace/name`) with the authorities (`ca.crt`, perhaps `ca.crl`) of clients' certificates. The whole "
        "host asks for them; without a usable Secret it answers 403.",
        risk=Risk.MEDIUM,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "auth-tls-verify-client",
        values.enum(*Verify, values={str(verify): verify for verify in Verify}),
        Part("client_verify"),
        "Whether a client must show a certificate (`on`), may (`optional`), or may show any (`optional_no_ca`).",
        risk=Risk.MEDIUM,
        default="on",
    ),
    Annotation(
        "auth-tls-verify-depth",
        Type("INT", "a number from 0 to 100", _depth),
        Part("client_depth"),
        "Certificates between a client's and its authority.",
        default="1",
    ),
    Annotation(
        "auth-tls-error-page",
        Type("EXT", _PAGE, _page),
        Part("client_page"),
        "Where clients without a good certificate are sent, instead of 400.",
        risk=Risk.HIGH,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "auth-tls-pass-certificate-to-upstream",
        values.BOOL,
        Part("client_forward"),
        "Sends the backend the certificate itself, in `ssl-client-cert`.",
        invalid=Invalid.DROP,
        default="false",
    ),
    Annotation(
        "auth-tls-match-cn",
        Type("RX", _SUBJECT, _subject),
        Part("client_subject"),
        "What the certificate's subject must match; other clients are answered 403.",
        risk=Risk.HIGH,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "ssl-ciphers",
        values.CIPHERS,
        Part("ciphers"),
        "Ciphers of the host (TLS 1.2).",
        scope=Scope.INGRESS,
        invalid=Invalid.DROP,
    ),
    Annotation(
        "ssl-prefer-server-ciphers",
        values.BOOL,
        Part("prefer_server_ciphers"),
        "Whether the gateway's order of ciphers counts on the host, or the client's.",
        scope=Scope.INGRESS,
    ),
)


def complete(draft: Draft, problem: Callable[[str, str, str], None]) -> None:
    """Put together what a host asks of its clients."""
    parts = draft.parts
    draft.ciphers = parts.get("ciphers", "")
    draft.prefer_server_ciphers = parts.get("prefer_server_ciphers")
    secret = parts.get("client_secret")
    if secret is None:
        for annotation in ANNOTATIONS:
            part = annotation.target.name if isinstance(annotation.target, Part) else ""
            if part.startswith("client_") and part in parts:
                problem(annotation.name, SECRET, f"It needs {SECRET}.")
        return
    page = parts.get("client_page", "")
    if page.startswith("@"):
        problem(
            "auth-tls-error-page", _PAGE, "There are no named locations here: such clients are answered 400."
        )
        page = ""
    draft.client = ClientAsk(
        secret=secret,
        verify=parts.get("client_verify") or Verify.ON,
        depth=parts.get("client_depth") or 1,
        page=page,
        forward=bool(parts.get("client_forward")),
        subject=parts.get("client_subject", ""),
    )

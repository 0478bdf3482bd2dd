"""What the demo prints, and the order of its acts."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from harness import http
from harness.backends import Backends
from harness.demo import _acts
from harness.demo._shop import HOST, Shop

REQUESTS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("http", HOST, "/cart", {}),
    ("https", HOST, "/cart", {}),
    ("https", HOST, "/", {"X-Shop": "always"}),
    ("https", HOST, "/images/logo.png", {}),
    ("https", HOST, "/version", {}),
    ("http", "api.shop.example", "/v1/orders/7", {}),
    ("http", "eu.img.shop.example", "/tea.jpg", {}),
    ("http", "office.shop.example", "/", {}),
    ("http", "old-shop.example", "/", {}),
    ("http", "unknown.example", "/", {}),
)


def main(*, keep: bool = False) -> int:
    """Run the demo; with ``keep`` it stays up afterwards until it is interrupted. Gives 0 if nothing was lost."""
    console = Console(highlight=False)
    start = time.monotonic()
    with Backends() as pool:
        shop = Shop(pool)
        console.print(
            f"[bold]Starting[/] {len(shop.instances)} backends and a gateway on a copy of examples/shop …"
        )
        began = time.monotonic()
        with shop.gateway:
            console.print(
                f"ready after {time.monotonic() - began:.1f} s; every request below is a real one.\n"
            )
            console.print(_routing(shop))
            acts = [
                _tell(console, act(shop))
                for act in (_acts.calm, _acts.weight, _acts.certificate, _acts.rollout)
            ]
            console.print(_summary(shop, acts, time.monotonic() - start))
            if keep:
                _stay(console, shop)
    return int(any(a.lost for a in acts))


def _routing(shop: Shop) -> Table:
    table = Table(title="Where requests go", title_justify="left")
    for column in ("request", "answered by", "with"):
        table.add_column(column, overflow="fold")
    for scheme, host, path, headers in REQUESTS:
        answer = _ask(shop, scheme, host, path, headers)
        sent = "".join(f" {n}: {v}" for n, v in headers.items())
        if answer.backend:
            got = f"{answer.status}, having got {answer.echo.uri}"
        else:
            got = f"{answer.status} {answer.get('Location') or ''}"
        table.add_row(f"{scheme}://{host}{path}{sent}", answer.backend or "the gateway", got)
    return table


def _ask(shop: Shop, scheme: str, host: str, path: str, headers: dict[str, str]) -> http.Response:
    sent = list(headers.items())
    if scheme == "https":
        return shop.gateway.get_tls(host, path, headers=sent, tls=shop.client())
    return shop.gateway.get(host, path, headers=sent)


def _tell(console: Console, act: _acts.Act) -> _acts.Act:
    when = f", in force after {_milliseconds(act)}" if act.in_force is not None else ""
    console.print(f"[bold]{act.title}[/]: {act.result}{when}; {act.sent:,} requests, {act.lost} lost")
    return act


def _milliseconds(act: _acts.Act) -> str:
    if act.in_force is None:
        return ""
    return f"{act.in_force:.0f} ms" if act.in_force >= 1 else "< 1 ms"


def _summary(shop: Shop, acts: list[_acts.Act], seconds: float) -> Table:
    table = Table(
        title=f"\nIn {seconds:.0f} s, with {shop.gateway.reloads} reloads of nginx", title_justify="left"
    )
    for column in ("change under load", "in force after", "requests", "lost"):
        table.add_column(column, justify="left" if column == "change under load" else "right")
    for act in acts:
        table.add_row(act.title, _milliseconds(act), f"{act.sent:,}", str(act.lost))
    table.add_section()
    table.add_row("all", "", f"{sum(a.sent for a in acts):,}", f"[bold]{sum(a.lost for a in acts)}[/]")
    return table


def _stay(console: Console, shop: Shop) -> None:
    gateway, state = shop.gateway, f"--state-dir {shop.gateway.state_dir}"
    tidegate = ".venv/bin/tidegate"
    console.print(
        "\n[bold]The gateway stays up.[/] Try:\n"
        f"  curl -H 'Host: api.shop.example' http://127.0.0.1:{gateway.http_port}/v1/orders/7\n"
        f"  curl -k --resolve {HOST}:{gateway.https_port}:127.0.0.1 https://{HOST}:{gateway.https_port}/\n"
        f"  curl http://127.0.0.1:{gateway.status_port}/metrics\n"
        f"  {tidegate} routes {state}\n"
        f"  {tidegate} explain GET https://{HOST}/images/logo.png {state}\n"
        f"  $EDITOR {gateway.folder.path}/web-next.yaml      # and ask again\n"
        "Ctrl-C ends it.",
        soft_wrap=True,
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("\nEnding.")

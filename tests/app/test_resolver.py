"""The resolver asks the servers of its file, follows their answers, and keeps what it has when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import dns.message
import dns.rrset
import pytest

from tidegate.app._hosts_file import HostsFile
from tidegate.app._names import Answer
from tidegate.app._resolver import Dns, Resolver


class Server(asyncio.DatagramProtocol):
    """A DNS server with a zone in memory."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.broken = False
        self.asked: list[tuple[str, str]] = []
        self.ttl = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's and asyncio's own are no subclasses of asyncio.DatagramTransport.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query)
        if self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), address)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Dns:
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\nsearch inside.test\noptions ndots:2\n")
    made = Dns(str(conf), HostsFile(tmp_path / "hosts"))
    made._current().port = server.transport.get_extra_info("sockname")[1]
    return made


async def test_both_kinds_of_addresses_are_found_sorted(server: Server, client: Dns) -> None:
    server.records[("web.other.test.", "A")] = ["10.0.0.2", "10.0.0.1"]
    server.records[("web.other.test.", "AAAA")] = ["fd00::1"]
    assert await client.ask("web.other.test") == Answer(("10.0.0.1", "10.0.0.2", "fd00::1"), 1.0)


async def test_short_names_are_looked_for_in_the_search_domains(server: Server, client: Dns) -> None:
    server.records[("web.inside.test.", "A")] = ["10.0.0.3"]
    answer = await client.ask("web")
    assert answer is not None
    assert answer.addresses == ("10.0.0.3",)


async def test_a_name_that_does_not_exist_has_no_addresses(client: Dns) -> None:
    answer = await client.ask("gone.other.test")
    assert answer is not None
    assert answer.addresses == ()


async def test_a_server_that_fails_is_no_answer(server: Server, client: Dns) -> None:
    server.broken = True
    client._current().lifetime = 0.3
    assert await client.ask("web.other.test") is None


async def test_an_answer_is_told_and_followed_and_a_failure_changes_nothing(
    server: Server, client: Dns
) -> None:
    told: asyncio.Queue[tuple[str, tuple[str, ...]]] = asyncio.Queue()
    resolver = Resolver(client, lambda name, addresses: told.put_nowait((name, addresses)))
    server.records[("web.other.test.", "A")] = ["10.0.0.1"]
    resolver.want(["web.other.test"])
    task = asyncio.create_task(resolver.run())
    try:
        assert await asyncio.wait_for(told.get(), 5) == ("web.other.test", ("10.0.0.1",))
        server.broken = True
        client._current().lifetime = 0.2
        asked = len(server.asked)
        while len(server.asked) == asked:  # noqa: ASYNC110 (the server is simple)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        assert told.empty()
        server.broken = False
        server.records[("web.other.test.", "A")] = ["10.0.0.9"]
        assert await asyncio.wait_for(told.get(), 10) == ("web.other.test", ("10.0.0.9",))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""Name servers that say nothing, say it late, or say nonsense: the call that asks them ends with an
error that says so, and no other call waits for that.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import CallUnreachable
from sipparty.transport import Resolver
from sipparty.transport.nameservers import DNSLookup

from ..interop.peer import wait_for
from .defender import PATIENCE
from .raw import LOOPBACK

#: What a server says to a question; None for nothing.
Answer = Callable[[bytes], "bytes | None"]


class NameServer:
    """A DNS server by UDP on the loopback address.

    Args:
        answer: What it says.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, Any]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, source = self._socket.recvfrom(65535)
            if not data:
                return
            self.asked.append((data, source))
            self._send(data, source)

    def _send(self, data: bytes, source: Any) -> None:
        said = self.answer(data)
        if said is not None:
            self._socket.sendto(said, source)

    def answer_late(self, answer: Answer) -> None:
        """Answer all that was asked so far, now."""
        self.answer = answer
        for data, source in list(self.asked):
            self._send(data, source)

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.address)
        self._thread.join(PATIENCE)
        self._socket.close()


def silence(data: bytes) -> None:
    """Say nothing."""


def failure(code: dns.rcode.Rcode) -> Answer:
    """Say that there is no answer, and why."""

    def answer(data: bytes) -> bytes:
        response = dns.message.make_response(dns.message.from_wire(data))
        response.set_rcode(code)
        return response.to_wire()

    return answer


def address(data: bytes) -> bytes:
    """Say that every name is this host's, by IPv4."""
    response = dns.message.make_response(dns.message.from_wire(data))
    name = response.question[0].name
    if response.question[0].rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", LOOPBACK))
    return response.to_wire()


def _of_another(data: bytes) -> bytes:
    """Answer to a question that was not asked."""
    number = struct.unpack("!H", data[:2])[0]
    return struct.pack("!H", number ^ 0xFFFF) + address(data)[2:]


def _truncated(data: bytes) -> bytes:
    """Say that there is more by TCP, where nobody listens."""
    response = dns.message.make_response(dns.message.from_wire(data))
    response.flags |= dns.flags.TC
    return response.to_wire()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], NameServer]]:
    """Start a name server."""
    made: list[NameServer] = []

    def start(answer: Answer) -> NameServer:
        made.append(NameServer(answer))
        return made[-1]

    yield start
    for server in made:
        server.close()


def asking(*servers: NameServer, **options: Any) -> dict[str, Any]:
    """The options of an engine that asks name servers."""
    lookup = DNSLookup([server.address for server in servers], **options)
    return {"resolver": Resolver(lookup=lookup, hosts=None)}


def test_one_that_never_answers(defended: Any, serve: Any) -> None:
    """The call fails when the resolver's patience ends; other calls come and go meanwhile."""
    server = serve(silence)
    bob = defended(options=asking(server, timeout=100.0, lifetime=100.0))
    lost = [bob.party.invite(f"carol@{name}.example") for name in ("one", "two", "three")]
    wait_for(lambda: len(server.asked) >= 3, "the server was asked", PATIENCE)
    for _ in range(3):
        with bob.call():
            pass
    assert {call.state for call in lost} == {"InitiatingDialog"}
    bob.clock.advance(9)
    for call in lost:
        with pytest.raises(CallUnreachable, match=r"the name servers took longer than 8 s\."):
            call.wait(PATIENCE)
    bob.check()


def test_what_is_not_answered_is_asked_once(defended: Any, serve: Any) -> None:
    """A hundred calls to one name do not ask a hundred times, and all of them end."""
    server = serve(silence)
    bob = defended(options=asking(server, timeout=100.0, lifetime=100.0))
    lost = [bob.party.invite("carol@lost.example") for _ in range(100)]
    wait_for(lambda: server.asked, "the server was asked", PATIENCE)
    with bob.call():
        pass
    bob.clock.advance(9)
    for call in lost:
        with pytest.raises(CallUnreachable):
            call.wait(PATIENCE)
    questions = {data[2:] for data, _ in server.asked}
    assert len(server.asked) == len(questions)
    bob.check()


def test_hanging_up_ends_the_wait(defended: Any, serve: Any) -> None:
    server = serve(silence)
    bob = defended(options=asking(server, timeout=100.0, lifetime=100.0))
    call = bob.party.invite("carol@lost.example")
    wait_for(lambda: server.asked, "the server was asked", PATIENCE)
    call.terminate()
    bob.clock.advance(9)
    wait_for(lambda: call.state in ("Terminated", "Error"), "it is over", PATIENCE)
    bob.check()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (failure(dns.rcode.SERVFAIL), "no name server gave an answer"),
        (failure(dns.rcode.REFUSED), "no name server gave an answer"),
        (failure(dns.rcode.NXDOMAIN), "No target found for sip:lost.example"),
        (failure(dns.rcode.FORMERR), "no name server gave an answer"),
        (lambda data: b"", "no name server "),
        (lambda data: data, "no name server "),  # the question itself
        (lambda data: data[:2] + bytes(10), "no name server "),
        (lambda data: data[:2] + b"\xff" * 500, "no name server "),
        (lambda data: address(data)[:-3], "no name server "),
        (_of_another, "no name server "),
        (_truncated, "no name server "),
    ],
    ids=[
        *("servfail", "refused", "nxdomain", "formerr", "empty", "echo", "zeros", "ones", "half"),
        *("another", "truncated"),
    ],
)
def test_nonsense(defended: Any, serve: Any, answer: Answer, reason: str) -> None:
    server = serve(answer)
    bob = defended(options=asking(server, timeout=0.2, lifetime=0.3))
    call = bob.party.invite("carol@lost.example")
    with bob.call():
        pass
    with pytest.raises(CallUnreachable, match=reason):
        call.wait(PATIENCE)
    assert server.asked
    bob.check()


def test_answers_that_come_too_late(defended: Any, serve: Any) -> None:
    """They make no difference; a later call asks again, and gets through."""
    server = serve(silence)
    lookup = DNSLookup([server.address], timeout=100.0, lifetime=100.0)
    bob = defended(options={"resolver": Resolver(lookup=lookup, hosts=None, failure_ttl=0.0)})
    call = bob.party.invite(f"bob@biloxi.example:{bob.port}")
    wait_for(lambda: server.asked, "the server was asked", PATIENCE)
    bob.clock.advance(9)
    with pytest.raises(CallUnreachable):
        call.wait(PATIENCE)
    bob.settle()  # what was asked is forgotten
    server.answer_late(address)
    found = bob.party.invite(f"bob@biloxi.example:{bob.port}")
    assert found.wait(PATIENCE).state == "InDialog"
    assert found.terminate().wait(PATIENCE).state == "Terminated"
    bob.check()


def test_one_of_two_is_dead(defended: Any, serve: Any) -> None:
    """The other one is asked after a while."""
    dead, live = serve(silence), serve(address)
    bob = defended(options=asking(dead, live, timeout=0.2, lifetime=2.0))
    call = bob.party.invite(f"bob@biloxi.example:{bob.port}")
    assert call.wait(PATIENCE).state == "InDialog"
    assert dead.asked
    assert call.terminate().wait(PATIENCE).state == "Terminated"
    bob.check()


def test_an_engine_that_closes_while_nobody_answers(make_party: Any, serve: Any) -> None:
    """Nobody waits for the name server any more."""
    server = serve(silence)
    engine = Engine(**asking(server, timeout=100.0, lifetime=100.0))
    alice = make_party("alice@atlanta.com", engine=engine)
    call = alice.invite("carol@lost.example")
    wait_for(lambda: server.asked, "the server was asked", PATIENCE)
    engine.close()
    with pytest.raises(CallUnreachable, match="closed"):
        call.wait(PATIENCE)

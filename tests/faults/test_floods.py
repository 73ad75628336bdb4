"""More than can be served: of calls, of INVITEs that nobody acknowledges, of what belongs to
nothing.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sipparty.sip.limits import Limits

from ..interop.peer import UDP, Ports, wait_for
from ..interop.sipp import SIPp
from .defender import PATIENCE, Defender
from .raw import dial, request


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[SIPp]:
    """Starts SIPp."""
    ports = Ports(UDP)
    made = SIPp(tmp_path, ports, UDP, None)
    try:
        yield made
    finally:
        made.stop()
        ports.close()


def test_calls_as_fast_as_sipp_can(defended: Any, sipp: SIPp) -> None:
    """Every one of them goes through, and so does a call that somebody else makes meanwhile."""
    bob = defended()
    # What SIPp's own socket loses is no fault of ours: it has room for all that is under way.
    options = ("-m", "2000", "-r", "20000", "-l", "100", "-buff_size", "1000000")
    run = sipp.call("uac_call", bob.port, *options, MILLISECONDS=0)
    wait_for(lambda: bob.received() > 200, "the flood has begun", PATIENCE, run.describe)
    with bob.call():
        pass
    run.finish(PATIENCE)
    assert bob.counts()["malformed"] == 0
    bob.check()


def flood(bob: Defender, sock: socket.socket, messages: list[bytes]) -> list[bytes]:
    """Send datagrams, no faster than they are read: none is to be lost in the kernel. Return what
    was said to them.
    """
    before, said = bob.received(), []
    for at in range(0, len(messages), 50):
        for data in messages[at : at + 50]:
            sock.send(data)
        sent = before + min(at + 50, len(messages))
        wait_for(lambda sent=sent: bob.received() >= sent, "all were read", PATIENCE)
        # What is answered at once was answered by then.
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(sock.recv(65536))
        sock.settimeout(PATIENCE)
    return said


def test_invites_that_nobody_acknowledges(defended: Any) -> None:
    """Each is a call until the time for its ACK is over; not one of them for longer."""
    bob = defended(options={"limits": Limits(max_half_open=500)})
    with dial(bob.port, "udp") as sock, bob.call():
        flood(bob, sock, [request("INVITE", number=n) for n in range(500)])
        assert bob.counts()["dialogs"] == 501
    bob.check()


def test_the_limit_of_calls_holds_in_a_flood(defended: Any) -> None:
    bob = defended(max_calls=20)
    with dial(bob.port, "udp") as sock:
        said = flood(bob, sock, [request("INVITE", number=n) for n in range(500)])
        assert bob.counts()["dialogs"] == 20
        # Some of it may have been sent again.
        assert len({data for data in said if data.startswith(b"SIP/2.0 486 ")}) == 480
    bob.settle()
    bob.check()


def refusals(answers: list[bytes]) -> set[bytes]:
    """Those that say to come back later, and when."""
    # Where there is a transaction, it may have been sent again.
    said = {data for data in answers if data.startswith(b"SIP/2.0 503 ")}
    assert all(b"\r\nRetry-After: 7\r\n" in data for data in said)
    return said


def test_the_limit_of_dialogs_holds_in_a_flood(defended: Any) -> None:
    """Beyond it 503; a call that is up goes on, and ends as it should."""
    bob = defended(options={"limits": Limits(max_dialogs=20, max_share=100, retry_after=7)})
    with dial(bob.port, "udp") as sock, bob.call():
        said = flood(bob, sock, [request("INVITE", number=n) for n in range(500)])
        assert bob.counts()["dialogs"] == 20
        assert len(refusals(said)) == 481
    bob.settle()
    bob.check()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_the_limit_of_transactions_holds_in_a_flood(defended: Any, method: str) -> None:
    """Beyond it 503, which costs no memory; what ends a call gets through."""
    bob = defended(
        options={
            "limits": Limits(max_transactions=50, max_share=100, max_half_open=1000, retry_after=7)
        }
    )
    with dial(bob.port, "udp") as sock, bob.call():
        said = flood(bob, sock, [request(method, number=n) for n in range(500)])
        counts = bob.counts()
        assert counts["server_transactions"] == 50
        assert len(refusals(said)) == counts["refused"] > 440
    bob.settle()
    bob.check()


def test_the_limit_of_bytes_holds_in_a_flood(defended: Any) -> None:
    """Few requests, and large ones."""
    bob = defended(options={"limits": Limits(max_held=1_000_000, max_share=100, retry_after=7)})
    offer = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    body = offer + b"a=x:" + b"y" * 50_000 + b"\r\n"
    extra = "Content-Type: application/sdp\r\n"
    with dial(bob.port, "udp") as sock, bob.call():
        bob.party.configure(auto_answer=False)  # so that what it is asked has to be kept
        said = []
        for n in range(60):
            said += flood(bob, sock, [request("INVITE", number=n, extra=extra, body=body)])
        assert 950_000 < bob.engine.core.transactions.held < 1_100_000
        assert len(refusals(said)) >= 39
        bob.party.configure(auto_answer=True)
    bob.settle()
    assert bob.engine.core.transactions.held == 0
    bob.check()


def test_invites_to_a_authenticating_party(defended: Any) -> None:
    """Who cannot say who he is begins no dialog, however often he asks."""
    bob = defended(authenticator={"alice": "secret"}, credentials=("alice", "secret"))
    with dial(bob.port, "udp") as sock, bob.call():
        said = flood(bob, sock, [request("INVITE", number=n) for n in range(500)])
        assert bob.counts()["dialogs"] == 1
        assert {data.split()[1] for data in said} == {b"401"}
    bob.check()


def test_the_same_invite_over_and_over(defended: Any) -> None:
    """It is one call, and one transaction."""
    bob = defended()
    with dial(bob.port, "udp") as sock:
        flood(bob, sock, [request("INVITE", number=1)] * 1000)
        counts = bob.counts()
        assert counts["dialogs"] == counts["server_transactions"] == 1
    bob.check()


def _response(number: int) -> bytes:
    _, _, rest = request("INVITE", number=number).partition(b"\r\n")
    return b"SIP/2.0 200 OK\r\n" + rest


@pytest.mark.parametrize(
    "make",
    [
        lambda number: request("ACK", number=number),
        lambda number: request("CANCEL", number=number),
        lambda number: request("BYE", number=number),
        lambda number: request("BYE", number=number).replace(b"biloxi.com>", b"b>;tag=x", 1),
        lambda number: request("NOSUCH", number=number),
        lambda number: request("INVITE", number=number, user="nobody"),
        _response,
        lambda number: b"\r\n\r\n",
        lambda number: b"",
    ],
    ids=[
        *("ack", "cancel", "bye", "bye-with-tag", "unknown-method", "nobody", "response"),
        *("keep-alive", "empty"),
    ],
)
def test_what_belongs_to_nothing(defended: Any, make: Any) -> None:
    bob = defended()
    with dial(bob.port, "udp") as sock, bob.call():
        flood(bob, sock, [make(number) for number in range(300)])
        assert bob.counts()["dialogs"] == 1
    bob.check()

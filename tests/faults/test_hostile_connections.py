"""Peers that connect and then do everything but speak SIP: say nothing, say it slowly, do not read
what they are told, go away in the middle, or are too many.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import struct
import sys
import threading
from asyncio.sslproto import SSLProtocol
from typing import Any

import pytest

from sipparty.sip.limits import Limits
from sipparty.transport.memory import ConnectionMemory
from sipparty.transport.stream import Connection

from ..interop.peer import wait_for
from .defender import PATIENCE, Defender
from .raw import LOOPBACK, STREAMS, context, dial, frame, hang, read_all, request


def client_hello() -> bytes:
    """Return what a TLS client says first."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


def is_there(bob: Defender, number: int) -> None:
    """Wait until there are so many connections."""
    wait_for(lambda: bob.connections() == number, f"{number} connections", PATIENCE)


# -------------------------------------------------------------------- silence


@pytest.mark.parametrize("transport", ["tls", "wss"])
@pytest.mark.parametrize("said", ["nothing", "half", "garbage", "http"])
def test_a_tls_handshake_that_does_not_come(defended: Any, transport: str, said: str) -> None:
    """Ten seconds are given to it."""
    hello = client_hello()
    words = {
        "nothing": b"",
        "half": hello[: len(hello) // 2],
        "garbage": bytes(range(256)) * 8,
        "http": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    }[said]
    bob = defended(transport)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(bob.port, "tcp")) for _ in range(50)]
        for sock in socks:
            sock.sendall(words)
        if said in ("nothing", "half"):
            is_there(bob, 50)
        with bob.call():
            pass
        bob.clock.advance(11)
        for sock in socks:
            read_all(sock)  # it comes to an end, perhaps after a word
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
def test_who_says_nothing(defended: Any, transport: str) -> None:
    """64 * T1 are given to the first message."""
    bob = defended(transport)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(bob.port, transport, shake=False)) for _ in range(20)]
        is_there(bob, 20)
        with bob.call():
            pass
        bob.clock.advance(33)
        for sock in socks:
            assert read_all(sock) == b""
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
def test_who_says_it_a_byte_at_a_time(defended: Any, transport: str) -> None:
    """It is all one whether something comes now and then: the whole message has its time."""
    bob = defended(transport)
    with dial(bob.port, transport) as sock, bob.call():
        data = frame(request("OPTIONS", transport), transport)
        ended = False
        for byte in data:
            try:
                sock.sendall(bytes([byte]))
            except OSError:
                ended = True
                break
            bob.clock.advance(1)
        assert ended or not read_all(sock).startswith(b"SIP/2.0 200")
    bob.check()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_head_that_never_ends(defended: Any, transport: str) -> None:
    """513, and the end; no more is held of it than a head may be long."""
    bob = defended(transport)
    endless = request("OPTIONS", transport, extra="X: y\r\n" * 20_000)
    with dial(bob.port, transport) as sock, bob.call():
        with contextlib.suppress(OSError):
            sock.sendall(endless)
        answer = read_all(sock)
        assert answer.startswith(b"SIP/2.0 513 ")
        assert answer.count(b"SIP/2.0 ") == 1
    bob.check()


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_a_handshake_that_never_ends(defended: Any, transport: str) -> None:
    bob = defended(transport)
    with dial(bob.port, transport, shake=False) as sock, bob.call():
        with contextlib.suppress(OSError):
            sock.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000)
        assert read_all(sock).startswith(b"HTTP/1.1 431 ")
    bob.check()


# -------------------------------------------------------------------- deafness


@pytest.mark.parametrize(
    ("transport", "what"),
    [
        *((transport, "requests") for transport in STREAMS),
        *((transport, "pings") for transport in ("tls", "ws", "wss")),
    ],
)
def test_who_does_not_read(
    defended: Any, transport: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read from either, and so has little waiting for it; where that does not get less in
    time it is dropped. Others do not wait meanwhile.
    """
    reasons = []
    abort = Connection.abort

    def note(connection: Connection, reason: str = "") -> None:
        reasons.append(reason)
        abort(connection, reason)

    monkeypatch.setattr(Connection, "abort", note)
    bob = defended(transport)

    def said(number: int) -> bytes:
        if what == "requests":
            return frame(request("OPTIONS", transport, number=number), transport)
        if transport in ("ws", "wss"):
            return frame(bytes(125), transport, opcode=9) * 10
        return b"\r\n\r\n" * 500

    with dial(bob.port, transport, small=True) as sock, bob.call():
        sock.settimeout(0.3)  # until nothing goes any more
        with contextlib.suppress(TimeoutError):
            for number in range(30_000):
                sock.sendall(said(number))
        waiting = bob.engine.run(
            lambda: max(one._pipe.get_write_buffer_size() for one in bob.listener.connections)
        )
        assert Connection.HIGH_WATER <= waiting < 5 * Connection.HIGH_WATER
        assert "the other side does not read" not in reasons
        bob.clock.advance(Connection.CATCH_UP + 1)
        wait_for(lambda: "the other side does not read" in reasons, "it is dropped", PATIENCE)
        is_there(bob, 1)
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
def test_who_reads_in_the_end(defended: Any, transport: str) -> None:
    """It gets all that was said to it, and is served on."""
    bob = defended(transport)
    with dial(bob.port, transport, small=True) as sock:
        sock.settimeout(0.3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for sent in range(30_000):
                sock.sendall(frame(request("OPTIONS", transport, number=sent), transport))
        assert 0 < sent < 29_999
        wait_for(lambda: has_catching_up(bob), "it is not read from", PATIENCE)
        sock.settimeout(PATIENCE)
        # Else the system of who reads opens so small a window that each part waits for a timer.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        seen = b""
        while f"Call-ID: {sent - 1}@".encode() not in seen:
            seen = seen[-4096:] + sock.recv(1 << 20)
        wait_for(lambda: not has_catching_up(bob), "it is read from", PATIENCE)
    bob.check()
    assert bob.engine.core.transactions.held == 0


def has_catching_up(bob: Defender) -> bool:
    """Whether somebody has to catch up."""
    there = bob.listener.connections
    return bool(bob.engine.run(lambda: any(one._memory.behind for one in there)))


@pytest.mark.parametrize("transport", STREAMS)
def test_fifty_who_do_not_read(defended: Any, transport: str) -> None:
    """Each had four megabytes wait for it, which counted as nothing."""
    bob = defended(transport)
    held = bob.engine.core.transactions
    with contextlib.ExitStack() as stack, bob.call():
        for _ in range(50):
            sock = stack.enter_context(dial(bob.port, transport, small=True))
            sock.setblocking(False)
            data = frame(request("OPTIONS", transport), transport) * 300
            with contextlib.suppress(OSError):
                sock.send(data)
        wait_for(lambda: held.held > 50 * ConnectionMemory.OWN, "they are counted", PATIENCE)
        wait_for(lambda: bob.received() > 50, "they are read", PATIENCE)
        assert held.held < 12_500_000
    bob.clock.advance(60)
    bob.check()
    assert held.held == 0


@pytest.mark.parametrize("transport", STREAMS)
def test_messages_that_are_never_complete(defended: Any, transport: str) -> None:
    """What is begun counts, by source and in all; who goes beyond it is cut off."""
    limits = Limits(max_held=4_000_000)
    bob = defended(transport, options={"limits": limits})
    half = frame(request("MESSAGE", transport, body=b"x" * 200_000), transport)[:-1000]
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            with contextlib.suppress(OSError):
                sock = stack.enter_context(dial(bob.port, transport, source="127.0.0.66"))
                sock.sendall(half)
        wait_for(lambda: bob.engine.core.transactions.held > 2_000_000, "it counts", PATIENCE)
        assert bob.engine.run(lambda: bob.engine.core.transactions.held) < 3_500_000
        with bob.call():
            pass
    bob.check()
    assert bob.engine.core.transactions.held == 0


# -------------------------------------------------------------------- going away


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("end", ["reset", "close", "shutdown"])
@pytest.mark.parametrize("where", [0, 10, 200, -10, None])
def test_who_goes_away_in_the_middle(
    defended: Any, transport: str, end: str, where: int | None
) -> None:
    bob = defended(transport)
    whole = request("INVITE", transport)
    part = frame(whole, transport)[:where]
    socks = [dial(bob.port, transport) for _ in range(5)]
    for sock in socks:
        sock.sendall(part)
        if end == "shutdown":
            sock.shutdown(socket.SHUT_WR)
            read_all(sock)
        (hang if end == "reset" else socket.socket.close)(sock)
    is_there(bob, 0)
    bob.settle()
    bob.check()


# -------------------------------------------------------------------- too many


@pytest.mark.parametrize("transport", STREAMS)
def test_more_than_a_listener_takes(defended: Any, transport: str) -> None:
    """Those beyond the limit are closed as they come, those who have spoken before are served."""
    bob = defended(transport, options={"limits": Limits(max_connections=20)})
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(19):
            socks.append(stack.enter_context(dial(bob.port, transport)))
            socks[-1].sendall(frame(request("OPTIONS", transport), transport))
            assert b"SIP/2.0 200 " in socks[-1].recv(4096)
        is_there(bob, 19)
        with bob.call():  # the twentieth
            for _ in range(200):
                sock = stack.enter_context(dial(bob.port, "tcp"))
                assert read_all(sock) == b""
        for sock in socks:
            sock.sendall(frame(request("OPTIONS", transport), transport))
            assert b"SIP/2.0 200 " in sock.recv(4096)
    is_there(bob, 1)
    bob.check()


def test_what_comes_is_counted_once(defended: Any) -> None:
    """Ten that come at once are never twenty: the limit of eleven is not reached."""
    bob = defended("tcp", options={"limits": Limits(max_connections=11)})
    loop, listener = bob.engine.loop, bob.listener
    go, done = threading.Event(), threading.Event()
    seen = []

    def look() -> None:
        seen.append((len(listener.connections), listener._is_full()))
        if len(seen) < 50:
            loop.call_soon(look)
        else:
            done.set()

    def begin() -> None:
        go.wait(PATIENCE)
        look()

    loop.call_soon_threadsafe(begin)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(dial(bob.port, "tcp"))
        go.set()
        assert done.wait(PATIENCE)
        assert seen[-1] == (10, False)
        assert {full for _, full in seen} == {False}
    bob.check()


@pytest.mark.parametrize("transport", STREAMS)
def test_a_listener_full_of_silence(defended: Any, transport: str) -> None:
    """Whoever fills it without a word makes room for who comes, and is gone in half a minute."""
    bob = defended(transport, options={"limits": Limits(max_connections=20)})
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(bob.port, "tcp")) for _ in range(20)]
        is_there(bob, 20)
        with bob.call():
            is_there(bob, 20)
            assert read_all(socks[0]) == b""
            # More of the kind put out their own kind.
            socks += [stack.enter_context(dial(bob.port, "tcp")) for _ in range(40)]
            for sock in socks[:41]:
                assert read_all(sock) == b""
        bob.clock.advance(33)
        for sock in socks[41:]:
            assert read_all(sock) == b""
        is_there(bob, 1)  # the caller's
    bob.check()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.66 is an address on Linux alone")
@pytest.mark.parametrize("transport", STREAMS)
def test_a_peer_that_takes_all_the_room(defended: Any, transport: str) -> None:
    """It says a word by each connection, and so could keep others out for an hour."""
    bob = defended(transport, options={"limits": Limits(max_connections=20)})
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(20):
            socks.append(stack.enter_context(dial(bob.port, transport, source="127.0.0.66")))
            socks[-1].sendall(frame(request("OPTIONS", transport), transport))
            assert b"SIP/2.0 200 " in socks[-1].recv(4096)
        is_there(bob, 20)
        with bob.call():
            is_there(bob, 20)
            read_all(socks[0])  # it comes to an end, perhaps after a goodbye
            for _ in range(40):
                sock = stack.enter_context(dial(bob.port, "tcp", source="127.0.0.66"))
                assert read_all(sock) == b""
    bob.check()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_connections_that_are_reset_at_once(defended: Any, transport: str) -> None:
    """A thousand of them, faster than they can be accepted."""
    bob = defended(transport)
    with bob.call():
        for _ in range(1000):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.settimeout(PATIENCE)
                sock.connect((LOOPBACK, bob.port))
        is_there(bob, 1)
    bob.check()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.66 is an address on Linux alone")
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_descriptors_are_for_all_who_connect(
    defended: Any, transport: str, monkeypatch: pytest.MonkeyPatch, logged_errors: list[str]
) -> None:
    """One host holds open all that the process has for connections: another one gets in, and the
    listener does not stop.
    """
    bob = defended(transport)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(dial(bob.port, "tcp", source="127.0.0.66"))
        is_there(bob, 20)
        monkeypatch.setattr(bob.listener, "_highest", lambda: 0)
        with bob.call():
            is_there(bob, 20)
    bob.check()
    assert len(logged_errors) == 1
    assert "few file descriptors are left" in logged_errors.pop()


def test_a_tls_handshake_that_does_not_come_is_cheap(defended: Any) -> None:
    """Each took a quarter of a megabyte to read into, from its first moment."""
    bob = defended("tls")
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(dial(bob.port, "tcp"))
        is_there(bob, 30)
        gc.collect()
        found = [one for one in gc.get_objects() if isinstance(one, SSLProtocol)]
        assert len(found) >= 30
        assert max(len(one._ssl_buffer) for one in found) <= 16_384
    bob.check()

"""Programs that tests talk to: found, started, awaited and ended.

Laws:

* Nothing outlives its test: `Peer.stop` kills what does not end by itself, and is always called.
* Nothing sleeps for a fixed time: `wait_for` polls a condition, with a limit and a sentence.
* Tests run beside each other: a test works in a block of ports of its own (`Ports`).
* A program that is not installed skips the test, or fails it where `SIPPARTY_REQUIRE_PEERS=1` says
  that it has to be there.

What each peer is tested over, over IPv4 and IPv6 unless said otherwise, and why not the rest:

    SIPp         UDP TCP                   Debian builds it without TLS; it has no WebSocket.
    baresip      UDP TCP TLS               This version has no WebSocket.
    Linphone     UDP TCP TLS               By TLS it calls, but cannot be called; no WebSocket.
    Kamailio     UDP TCP TLS WS WSS        It is connected to by WebSocket, and connects by none.
    Chromium                     WS WSS    A page connects by WebSocket, and by nothing else.
    sip-options  UDP TCP                   Its TLS is not tried.
    sipsak       UDP TCP                   IPv4 alone. By TLS 1.3 it does not read the answer.

What speech is found again by correlation (`sound`), both ways, over IPv4 and IPv6:

    SIPp         PCMU PCMA, G.722 from it; early media, another port, another codec in a call
    baresip      PCMU PCMA G.722 Opus L16; early media, hold and resume
    Linphone     PCMU Opus
    rtpengine    in between: G.722 Opus PCMU PCMA by its transcoding, IPv4 to IPv6, RTP to SRTP
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

__all__ = [
    "TCP",
    "TCP6",
    "TLS",
    "TLS6",
    "UDP",
    "UDP6",
    "WS",
    "WS6",
    "WSS",
    "WSS6",
    "Peer",
    "Ports",
    "Transport",
    "bound_ports",
    "everywhere",
    "missing",
    "over",
    "require",
    "wait_for",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Transport:
    """How SIP travels in a test.

    Args:
        name: As a Via header spells it, in lower case.
        host: The loopback address of the family.
        sipp: What SIPp's option `-t` calls it; "" where it has none of it.
        label: What the parameter is called in the names of tests.
    """

    name: str
    host: str
    sipp: str
    label: str

    @property
    def family(self) -> socket.AddressFamily:
        """The address family."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def kind(self) -> socket.SocketKind:
        """The kind of its sockets."""
        return socket.SOCK_DGRAM if self.name == "udp" else socket.SOCK_STREAM

    @property
    def literal(self) -> str:
        """The address as it stands in a URI."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def uri(self, user: str, port: int) -> str:
        """The URI of a user at a port."""
        parameter = "" if self.name == "udp" else f";transport={self.name}"
        return f"sip:{user}@{self.literal}:{port}{parameter}"


UDP = Transport("udp", "127.0.0.1", "u1", "udp")
UDP6 = Transport("udp", "::1", "u1", "udp6")
TCP = Transport("tcp", "127.0.0.1", "t1", "tcp")
TCP6 = Transport("tcp", "::1", "t1", "tcp6")
TLS = Transport("tls", "127.0.0.1", "", "tls")
TLS6 = Transport("tls", "::1", "", "tls6")
WS = Transport("ws", "127.0.0.1", "", "ws")
WS6 = Transport("ws", "::1", "", "ws6")
WSS = Transport("wss", "127.0.0.1", "", "wss")
WSS6 = Transport("wss", "::1", "", "wss6")


def over(*transports: Transport) -> pytest.MarkDecorator:
    """The mark of tests that are run over some transports."""
    return pytest.mark.parametrize(
        "transport", transports, indirect=True, ids=lambda transport: transport.label
    )


#: The mark of tests that are run over every transport of SIPp's; those without a mark are run over
#: UDP.
everywhere = over(UDP, UDP6, TCP, TCP6)


def missing(reason: str) -> NoReturn:
    """Skip the test for a reason, or fail it where peers are required."""
    if os.environ.get("SIPPARTY_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason}, and SIPPARTY_REQUIRE_PEERS=1 says that it has to be.")
    pytest.skip(reason)


def require(program: str) -> str:
    """Return the path of a program; skip the test, or fail it, where there is none."""
    path = shutil.which(program)
    return missing(f"{program} is not installed") if path is None else path


def wait_for(
    condition: Callable[[], _T], what: str, timeout: float = 5.0, detail: Callable[[], str] = str
) -> _T:
    """Poll until a condition is true, and return what it returned.

    Args:
        condition: What has to become true.
        what: It, in words, for the failure.
        timeout: Seconds.
        detail: Called on failure for more to say.
    """
    end = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"Not within {timeout:g} s: {what}.\n{detail()}")
        time.sleep(0.01)
    return found


def bound_ports(kind: socket.SocketKind) -> set[int]:
    """Return this machine's UDP ports that are bound, or its TCP ports that are listened on."""
    name, states = ("tcp", {"0A"}) if kind == socket.SOCK_STREAM else ("udp", {"07", "01"})
    found = set()
    for path in (Path(f"/proc/net/{name}"), Path(f"/proc/net/{name}6")):
        if path.exists():
            for line in path.read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                if state in states:
                    found.add(int(local.rpartition(":")[2], 16))
    return found


class Ports:
    """A block of neighbouring ports that are free, dealt out one by one.

    It lies below what systems deal out to sockets that name no port. The last port is not dealt
    out: a socket that is bound to it keeps the block from tests in other processes, until `close`.

    Args:
        transport: Where they have to be free.
    """

    SIZE = 48
    FIRST, LAST = 10_000, 32_000
    _BLOCKS = (LAST - FIRST) // SIZE
    #: Each process begins elsewhere.
    _next = os.getpid() * 37 % _BLOCKS

    def __init__(self, transport: Transport) -> None:
        for _ in range(self._BLOCKS):
            self.first = self.FIRST + Ports._next * self.SIZE
            self.last = self.first + self.SIZE - 1
            Ports._next = (Ports._next + 1) % self._BLOCKS
            self._authenticator = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self._authenticator.bind(("127.0.0.1", self.last))
                self._check(transport)
            except OSError:
                self._authenticator.close()
            else:
                break
        else:
            raise AssertionError(f"There are no {self.SIZE} free ports in a row.")
        self._at = self.first

    def _check(self, transport: Transport) -> None:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            for port in range(self.first, self.last):
                with socket.socket(transport.family, kind) as probe:
                    probe.bind((transport.host, port))

    def close(self) -> None:
        """Let others have the block."""
        self._authenticator.close()

    def take(self, count: int = 1) -> int:
        """Return the first of so many ports in a row, an even one if there are several."""
        if count > 1:
            self._at += self._at % 2
        port = self._at
        self._at += count
        assert self._at <= self.last, "The test needs more ports than a block has."
        return port


class Peer:
    """A program that runs.

    Args:
        command: The command line.
        folder: Where it runs; its output goes to the file `<name>.out` in there.
        name: What it is called in failures.
        told: Whether it reads what `tell` writes.
        environment: Variables that are other than ours.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        name: str,
        *,
        told: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._out = folder / f"{name}.out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.PIPE if told else subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        stdin = self.process.stdin
        assert stdin is not None, f"{self.name} was not started to be told anything."
        stdin.write(f"{line}\n".encode())
        stdin.flush()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait_for_output(self, text: str, timeout: float = 5.0) -> None:
        """Wait until it has printed a text."""
        wait_for(
            lambda: text in self.output or not self.running,
            f"{self.name} printed {text!r}",
            timeout,
            lambda: self.output,
        )
        assert text in self.output, f"{self.name} ended and printed:\n{self.output}"

    def stop(self, signal: int = 15, patience: float = 3.0) -> None:
        """End it; may be called more than once."""
        if self.running:
            self.process.send_signal(signal)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(patience)
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        # What it started is in its session, and ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)

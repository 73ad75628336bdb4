"""What tests share: parties that are closed, peers without a stack, ports, scripts. That nothing is
left behind is checked by `sipparty.testing.plugin`, as `sip_leak_check` in pyproject.toml says.

Everything works beside other test processes: ports are the system's choice, and who needs port 5060
itself takes a lock for it.
"""

import contextlib
import fcntl
import os
import queue
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.concurrency.workers import Workers
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.party import Party
from sipparty.sip import Message
from sipparty.trace import Recorder

LOOPBACK = "127.0.0.1"

#: Seconds that anything in a test may take; nothing that works comes near it.
PATIENCE = 10


# Threads that files are read and written by end soon, so that a test need not wait for them.
Workers.LINGER = 0.05  # type: ignore[misc]

# -------------------------------------------------------------------- parties


@pytest.fixture
def make_party(monkeypatch):
    """Make a party that is closed after the test: `make_party("bob@biloxi.com", kind, ...)`.

    It does not wait long for peers that say no goodbye.
    """
    monkeypatch.setattr(Party, "CLOSE_TIMEOUT", 0.2)
    monkeypatch.setattr(Engine, "CLOSE_TIMEOUT", 0.2)
    parties = []

    def make(uri, kind=NoMediaSimpleCallsParty, **kwargs):
        party = kind(uri, **kwargs)
        parties.append(party)
        return party

    yield make
    for party in reversed(parties):
        party.close()


@pytest.fixture
def listening(make_party):
    """Make a party that listens on a free port of the loopback address."""

    def make(uri="bob@biloxi.com", kind=NoMediaSimpleCallsParty, address=LOOPBACK, **kwargs):
        return make_party(uri, kind, **kwargs).listen(None, address=address)

    return make


@pytest.fixture
def wire():
    """Record the messages of the shared engine, or of the one given: `records = wire()`."""
    with contextlib.ExitStack() as taps:

        def tap(engine=None):
            engine = engine or Engine.shared()
            return taps.enter_context(engine.wire.tapped(Recorder()))

        yield tap


@pytest.fixture
def events():
    """Collect the events of a party in a queue: `happened = events(party, CallEnded, ...)`."""

    def collect(party, *kinds):
        happened = Happened()
        for kind in kinds:
            party.on(kind, happened.put)
        return happened

    return collect


class Happened(queue.Queue):
    """Events, in the order of their handlers."""

    def next(self, kind=None):
        """The next event; of a kind, if one is given."""
        while True:
            event = self.get(timeout=PATIENCE)
            if kind is None or isinstance(event, kind):
                return event


# -------------------------------------------------------------------- peers without a stack


class Peer:
    """A UDP socket that a test speaks SIP by, a message at a time."""

    def __init__(self, address=LOOPBACK):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)
        self.socket.bind((address, 0))
        self.host, self.port = self.socket.getsockname()[:2]
        self.source = None

    @property
    def place(self):
        """Host and port, as a URI has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def send(self, data, port, host=None):
        """Send bytes, or a message, to a port."""
        self.socket.sendto(bytes(data), (host or self.host, port))

    def receive(self, start=None):
        """The next message; the next whose first line starts so, if that is given."""
        while True:
            data, self.source = self.socket.recvfrom(65535)
            message = Message.parse(data)
            if start is None or str(message).startswith(start):
                return message

    def answer(self, request, status, reason=None, headers=(), body=b"", tag="theirs"):
        """Answer a request that was received."""
        headers = [("Contact", f"<sip:peer@{self.place}>"), *headers]
        response = request.response(status, reason, headers, body, to_tag=tag)
        self.socket.sendto(bytes(response), self.source)

    def request(self, method, uri, port, headers=(), body=b"", branch="z9hG4bKone", host=None):
        """Send a request outside of dialogs to a port, with what it must have."""
        given = {name for name, _ in headers}
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {self.place};branch={branch}"]
        defaults = (
            ("Max-Forwards", "70"),
            ("From", "<sip:peer@example.com>;tag=ours"),
            ("To", f"<{uri}>"),
            ("Call-ID", branch),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<sip:peer@{self.place}>"),
        )
        lines += [f"{name}: {value}" for name, value in defaults if name not in given]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode() + body, port, host)


@pytest.fixture
def make_peer():
    """Make a `Peer`: `make_peer("::1")`."""
    with contextlib.ExitStack() as peers:

        def make(address=LOOPBACK):
            peer = Peer(address)
            peers.callback(peer.socket.close)
            return peer

        yield make


@pytest.fixture
def peer(make_peer):
    """A `Peer` on the IPv4 loopback address."""
    return make_peer()


# -------------------------------------------------------------------- ports


@pytest.fixture
def deaf_port():
    """A port where nobody listens, and nobody can begin to.

    A socket has it that is connected elsewhere: what others send to it is refused by the system.
    """
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        sock.bind((LOOPBACK, 0))
        other.bind((LOOPBACK, 0))
        sock.connect(other.getsockname())
        yield sock.getsockname()[1]


@pytest.fixture
def port_5060():
    """Have the port of SIP to oneself among all tests; gives whether it is free to be bound."""
    lock = os.open(Path(tempfile.gettempdir()) / "sipparty-test-port-5060", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", 5060))
            except OSError:
                free = False
            else:
                free = True
        yield free
    finally:
        os.close(lock)


# -------------------------------------------------------------------- programs


@pytest.fixture
def run_script(tmp_path):
    """Run a program of its own and return what came of it: `done = run_script(source)`.

    Python's development mode is on and warnings are errors. One that is not at its end in time
    fails the test, with what it wrote.
    """

    def run(source, *arguments, timeout=20, options=("-X", "dev", "-W", "error")):
        script = tmp_path / "script.py"
        script.write_text(source)
        command = [sys.executable, *options, str(script), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"The program hung; it wrote {late.stdout!r} and {late.stderr!r}")
        # What asyncio says in development mode of a machine that is busy is not the program's.
        done.stderr = re.sub(r"(?m)^Executing <.*> took .* seconds\n", "", done.stderr)
        return done

    return run

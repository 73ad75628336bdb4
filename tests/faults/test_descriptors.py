"""No file descriptors left: what needs one fails, and says so; nothing spins, nothing is lost for
good, and all works again once there are some.

Each test is a program of its own, whose limit is low.
"""

from __future__ import annotations

from typing import Any

import pytest

#: What each program begins with.
PRELUDE = """
import os, resource, socket, sys, threading, time
from sipparty.concurrency.engine import Engine
from sipparty.errors import CallFailed, CallUnreachable, ListenError
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.transport import TLSConfig, TLSError
from sipparty.transport.stream_listener import StreamListener
import sipparty.party.agent, sipparty.party.listening  # else read when first needed
import sipparty.transport.connecting, sipparty.transport.websocket

PATIENCE = 10
LOOPBACK = "127.0.0.1"
certificate, authority = sys.argv[1:3]
NoMediaSimpleCallsParty.CLOSE_TIMEOUT = Engine.CLOSE_TIMEOUT = 0.2
resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []

def take_all(leave=0):
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for _ in range(leave):
        os.close(taken.pop())

def give_back():
    while taken:
        os.close(taken.pop())

def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not engines[0].run(condition):
        assert time.monotonic() < end, "It did not come to be."

def tls():
    return TLSConfig(certificate=certificate, authorities=authority)

engines = [Engine(tls=tls()), Engine(tls=tls())]

def files():
    return len(os.listdir("/dev/fd"))

few = files()

def leave(*parties):
    for one in parties:
        one.close()
    wait_until(lambda: files() <= few)  # the loop closes sockets in its own time

def party(name, kind=NoMediaSimpleCallsParty, engine=0, **options):
    return kind(f"{name}@example.com", engine=engines[engine], **options)

def good_call(alice, bob):
    call = alice.invite(bob)
    assert call.wait(PATIENCE).state == "InDialog"
    assert call.terminate().wait(PATIENCE).state == "Terminated"

def refused(call, words):
    try:
        call.wait(PATIENCE)
    except CallFailed as error:
        assert words in str(error), error
        return error
    raise AssertionError("The call was not refused.")
"""

#: And what each one ends with: nothing more is open than was before.
END = """
give_back()
for engine in engines:
    engine.close()
print("over")
"""


@pytest.fixture
def run(run_script: Any, certificates: Any) -> Any:
    """Run a program; return what it wrote to its standard error."""

    def start(source: str) -> str:
        done = run_script(PRELUDE + source + END, certificates.both, certificates.authority)
        assert done.stdout == "over\n", done.stderr
        errors: str = done.stderr
        assert "Traceback" not in errors, errors
        assert "Warning" not in errors, errors
        return errors

    return start


def test_nothing_to_accept_with(run: Any) -> None:
    """The listener waits, without a turn of the loop meanwhile, and accepts once it can."""
    errors = run(
        """
looks = []
real = StreamListener._acceptable
def look(self):
    looks.append(self)
    real(self)
StreamListener._acceptable = look
for transport in ("TCP", "TLS", "WS", "WSS"):
    bob, alice = party("bob"), party("alice", engine=1)
    bob.listen(None, address=LOOPBACK, transport=transport)
    listener = bob._endpoints[0]
    good_call(alice, bob)
    socks = [socket.socket() for _ in range(5)]
    take_all()
    for sock in socks:
        sock.connect((LOOPBACK, bob.contact_uri.port))
    wait_until(lambda: listener._resume is not None)
    before = len(looks)
    for _ in range(100):
        engines[0].run(lambda: None)
    assert len(looks) <= before + 1, looks
    give_back()
    good_call(alice, bob)
    for sock in socks:
        sock.close()
    leave(alice, bob)
"""
    )
    for transport in ("TCP", "TLS", "WS", "WSS"):
        assert errors.count(f"Cannot accept on {transport} ") == 1
    assert errors.count("Too many open files. Trying on.") == 4


def test_nothing_to_connect_with(run: Any) -> None:
    """Be it the first connection of an engine, or a later one."""
    run(
        """
for transport in ("TCP", "TLS", "WS", "WSS"):
    for warm in (False, True):
        bob, alice = party("bob"), party("alice", engine=1)
        bob.listen(None, address=LOOPBACK, transport=transport)
        if warm:
            good_call(alice, bob)
            connections = engines[1].run(engines[1].hub.connections)
            for connection in connections:
                engines[1].run(connection.abort)
            wait_until(lambda: all(one.ended for one in connections))
            wait_until(lambda: not bob._endpoints[0].connections)
        take_all()
        refused(alice.invite(bob), "oo many open files")
        give_back()
        good_call(alice, bob)
        leave(alice, bob)
"""
    )


def test_nothing_to_send_datagrams_with(run: Any) -> None:
    run(
        """
bob, alice = party("bob"), party("alice", engine=1)
bob.listen(None, address=LOOPBACK)
take_all()
refused(alice.invite(bob), "Too many open files")
give_back()
good_call(alice, bob)
"""
    )


def test_nothing_to_listen_with(run: Any) -> None:
    run(
        """
for transport in ("UDP", "TCP", "TLS", "WS", "WSS"):
    bob, alice = party("bob"), party("alice", engine=1)
    take_all()
    try:
        bob.listen(None, address=LOOPBACK, transport=transport)
    except (ListenError, TLSError) as error:
        assert "oo many open files" in str(error), error
    else:
        raise AssertionError("It listens.")
    assert not bob.listening
    give_back()
    bob.listen(None, address=LOOPBACK, transport=transport)
    good_call(alice, bob)
    leave(alice, bob)
"""
    )


def test_no_ports_for_media(run: Any) -> None:
    """A call that comes in is refused, and one that goes out fails: none of them hangs."""
    run(
        """
kind = SingleRTPSessionSimplenParty
bob, alice = party("bob", kind), party("alice", kind, engine=1)
bob.listen(None, address=LOOPBACK)
carol = party("carol", engine=1)
good_call(alice, bob)
good_call(carol, bob)
take_all()
refused(carol.invite(bob), "50")
try:
    call = alice.invite(bob)
except ListenError as error:
    assert "Too many open files" in str(error), error
else:
    refused(call, "Too many open files")
give_back()
good_call(carol, bob)
good_call(alice, bob)
for engine in engines:
    assert engine.run(engine.core.counts)["dialogs"] == 0
"""
    )


def test_nothing_to_ask_a_name_server_with(run: Any) -> None:
    """Nor to read what asks it: the first question is asked while there is nothing."""
    run(
        """
bob, alice = party("bob"), party("alice", engine=1)
bob.listen(None, address=LOOPBACK)
take_all()
refused(alice.invite("carol@no-such-host.invalid"), "No target found")
give_back()
good_call(alice, bob)
"""
    )


def test_no_engine_without(run: Any) -> None:
    run(
        """
sys.unraisablehook = lambda told: None  # asyncio is not proud of its half of a loop
take_all()
try:
    Engine()
except OSError as error:
    assert "Too many open files" in str(error), error
else:
    raise AssertionError("There is an engine.")
assert len([t for t in threading.enumerate() if t.name == "sipparty-engine"]) == 2
give_back()
Engine().close()
"""
    )


def test_calls_that_are_up_do_not_mind(run: Any) -> None:
    run(
        """
kind = SingleRTPSessionSimplenParty
bob, alice = party("bob", kind), party("alice", kind, engine=1)
bob.listen(None, address=LOOPBACK, transport="TCP")
call = alice.invite(bob)
assert call.wait(PATIENCE).state == "InDialog"
take_all()
assert alice.options(bob).wait(PATIENCE).status == 200
assert call.terminate().wait(PATIENCE).state == "Terminated"
give_back()
good_call(alice, bob)
"""
    )


def test_the_authorities_of_the_system_are_read_later(run: Any) -> None:
    """A context that trusts nobody, for want of the file, is not kept."""
    run(
        """
import ssl
where = ssl.get_default_verify_paths()
os.environ[where.openssl_cafile_env] = authority
config = TLSConfig()
take_all()
try:
    config.client_context()
except TLSError as error:
    assert "oo many open files" in str(error), error
else:
    raise AssertionError("There is a context.")
give_back()
assert config.client_context().cert_store_stats()["x509_ca"] >= 1
"""
    )


def test_connections_leave_some_for_calls(run: Any) -> None:
    """However many connect: a call by UDP has its media, and a call by TCP its connection."""
    errors = run(
        """
import subprocess
flood = '''
import resource, socket, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
socks = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(200)]
print("there", flush=True)
sys.stdin.read()
'''
kind = SingleRTPSessionSimplenParty
bob, alice = party("bob", kind), party("alice", kind, engine=1)
bob.listen(None, address=LOOPBACK)
carol, dave = party("carol"), party("dave", engine=1)
carol.listen(None, address=LOOPBACK, transport="TCP")
good_call(alice, bob)
good_call(dave, carol)
command = [sys.executable, "-c", flood, str(carol.contact_uri.port)]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
    assert attacker.stdout.readline() == b"there\\n"
    listener = carol._endpoints[0]
    wait_until(lambda: files() > 90 and listener._logged)
    good_call(alice, bob)
    good_call(dave, carol)
    assert 40 < len(listener.connections) < 96
    attacker.stdin.close()
wait_until(lambda: len(listener.connections) <= 1)
good_call(alice, bob)
good_call(dave, carol)
"""
    )
    assert errors.count("few file descriptors are left, and they are for others.") == 1

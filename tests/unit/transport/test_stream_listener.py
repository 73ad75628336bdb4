"""What accepts connections: too many of them, no file descriptors, defects, the end."""

import errno
import logging
import sys

import pytest

from sipparty.errors import ListenError
from sipparty.sip.shares import source_of
from sipparty.transport.stream_listener import bind_tcp
from sipparty.transport.tls import TLSConfig

LOOPBACK = "127.0.0.1"
#: Another address of this host; Linux has the whole of 127.0.0.0/8.
OTHER = "127.0.0.2"

linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone")

ONE = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


async def test_too_many_connections(owner, serve, dial, eventually):
    """All of one address, and all of them have spoken: who comes is refused."""
    listener = serve()
    listener.max_connections = 2
    first, second = await dial(listener), await dial(listener)
    for peer in (first, second):
        peer.write(ONE)
    await owner.until(lambda: len(owner.received) == 2)
    third = await dial(listener)
    assert await third.read_to_end() == b""
    await first.close()
    await eventually(lambda: len(listener.connections) == 1)
    fourth = await dial(listener)
    for peer in (second, fourth):
        peer.write(ONE)
    await owner.until(lambda: len(owner.received) == 4)


async def test_where_none_may_be_had(serve, dial):
    listener = serve()
    listener.max_connections = 0
    peer = await dial(listener)
    assert await peer.read_to_end() == b""


async def test_who_has_said_nothing_makes_room(owner, serve, dial, clock, eventually):
    """The oldest of those, though another has been idle for longer."""
    listener = serve()
    listener.max_connections = 3
    peers = []
    for number in range(3):
        peers.append(await dial(listener))
        await eventually(lambda number=number: len(listener.connections) == number + 1)
        if number == 0:
            peers[0].write(ONE)
            await owner.until(lambda: owner.received)
        clock.advance(1)
    fourth = await dial(listener)
    assert await peers[1].read_to_end() == b""
    for peer in (peers[0], peers[2], fourth):
        peer.write(ONE)
    await owner.until(lambda: len(owner.received) == 4)
    assert len(listener.connections) == 3


@linux
async def test_of_those_who_have_said_nothing_the_most_numerous_make_room(
    serve, dial, clock, eventually
):
    """Whoever connects again and again does not keep others from saying their first words."""
    listener = serve()
    listener.max_connections = 3
    slow = await dial(listener, local_addr=(OTHER, 0))
    await eventually(lambda: len(listener.connections) == 1)
    many = []
    for number in range(5):
        clock.advance(1)
        many.append(await dial(listener))
        if number > 1:
            assert await many[number - 2].read_to_end() == b""
        await eventually(lambda: len(listener.connections) == min(3, len(many) + 1))
    hosts = sorted(one.remote[0] for one in listener.connections)
    assert hosts == [LOOPBACK, LOOPBACK, OTHER]
    slow.write(ONE)


@linux
async def test_who_has_more_than_a_share_makes_room(owner, serve, dial, clock, eventually):
    """All have spoken: the idlest of the address that has most of them goes, until all is even."""
    listener = serve()
    listener.max_connections = 4
    said = 0

    async def come(host):
        nonlocal said
        peer = await dial(listener, local_addr=(host, 0))
        peer.write(ONE)
        said += 1
        await owner.until(lambda: len(owner.received) == said)
        clock.advance(1)
        return peer

    hog = [await come(LOOPBACK) for _ in range(4)]
    hog[0].write(ONE)
    said += 1
    await owner.until(lambda: len(owner.received) == said)
    await come(OTHER)
    assert await hog[1].read_to_end() == b""
    await come(OTHER)
    assert await hog[2].read_to_end() == b""
    for host in (OTHER, LOOPBACK):
        refused = await dial(listener, local_addr=(host, 0))
        assert await refused.read_to_end() == b""
    hosts = sorted(one.remote[0] for one in listener.connections)
    assert hosts == [LOOPBACK, LOOPBACK, OTHER, OTHER]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%lo", "fe80::2", True),
        ("", "", True),
    ],
)
def test_whose_an_address_is(one, other, same):
    assert (source_of(one) == source_of(other)) is same


async def test_a_tls_handshake_under_way_makes_room(serve, dial, clock, eventually, authority):
    listener = serve(
        "TLS", context=TLSConfig(certificate=authority.issue(LOOPBACK)).server_context()
    )
    listener.max_connections = 2
    peers = []
    for _ in range(4):
        peers.append(await dial(listener))
        await eventually(lambda: sum(not one.given_up for one in listener._coming.values()) > 0)
        await eventually(lambda: len(listener._coming) == min(len(peers), 2))
        clock.advance(1)
    assert [await peer.read_to_end() for peer in peers[:2]] == [b"", b""]
    assert len(listener._coming) == 2


class Socket:
    """A listening socket that fails as it is told to."""

    def __init__(self, real, errors):
        self.real, self.errors = real, errors

    def __getattr__(self, name):
        return getattr(self.real, name)

    def accept(self):
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, "the system says so")
        return self.real.accept()


async def test_no_file_descriptors_left(owner, serve, dial, clock, caplog, eventually, turns):
    listener = serve()
    real = listener._socket
    listener._socket = Socket(real, [errno.EMFILE, errno.ENFILE])
    peer = await dial(listener)
    peer.write(ONE)
    for left in (1, 0):
        await eventually(lambda left=left: len(listener._socket.errors) == left)
        await turns()
        assert owner.received == []
        clock.advance(listener.PAUSE)
    await owner.until(lambda: owner.received)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1
    assert "Cannot accept on TCP 127.0.0.1 port" in told[0].getMessage()


async def test_closed_while_it_waits_for_file_descriptors(
    owner, serve, dial, clock, eventually, turns
):
    listener = serve()
    listener._socket = Socket(listener._socket, [errno.EMFILE])
    await dial(listener)
    await eventually(lambda: len(listener._socket.errors) == 0)
    listener.close()
    clock.advance(listener.PAUSE)
    await turns()


async def test_a_connection_that_is_gone_before_it_is_accepted(owner, serve, dial, caplog):
    listener = serve()
    listener._socket = Socket(listener._socket, [errno.ECONNABORTED, errno.EPROTO])
    peer = await dial(listener)
    peer.write(ONE)
    await owner.until(lambda: owner.received)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_defect_in_making_a_connection_costs_that_one_alone(owner, serve, dial, caplog):
    listener = serve()
    make, calls = listener._make, []

    def fail_once(listener):
        calls.append(listener)
        if len(calls) == 1:
            raise LookupError("a defect")
        return make(listener)

    listener._make = fail_once
    first = await dial(listener)
    assert await first.read_to_end() == b""
    second = await dial(listener)
    second.write(ONE)
    await owner.until(lambda: owner.received)
    assert "a defect" in caplog.text


async def test_a_listener_that_closes_ends_its_connections(owner, serve, dial, eventually):
    listener = serve()
    peers = [await dial(listener) for _ in range(3)]
    await eventually(lambda: len(listener.connections) == 3)
    listener.close()
    listener.close()
    for peer in peers:
        assert await peer.read_to_end() == b""
    await owner.until(lambda: len(owner.gone) == 3)
    assert listener.connections == set()
    assert "closed" in repr(listener)
    with pytest.raises(OSError):
        await dial(listener)


def test_where_one_cannot_listen():
    with bind_tcp(LOOPBACK, 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"Cannot listen on TCP 127\.0\.0\.1 port {port}: .*in use\."
        ):
            bind_tcp(LOOPBACK, port)
    with pytest.raises(ListenError, match=r"'biloxi\.com': expected a numeric address\."):
        bind_tcp("biloxi.com", 0)
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        bind_tcp("192.0.2.1", 0)
    with pytest.raises(ListenError, match="70000"):
        bind_tcp(LOOPBACK, 70_000)

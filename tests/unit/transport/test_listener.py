"""What accepts connections: too many of them, no file descriptors, defects, the end."""

import errno
import logging

import pytest

from sipparty.errors import ListenError
from sipparty.transport.listener import bind_tcp

LOOPBACK = "127.0.0.1"

ONE = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


async def test_too_many_connections(owner, serve, dial, eventually):
    listener = serve()
    listener.max_connections = 2
    first, second = await dial(listener), await dial(listener)
    await eventually(lambda: len(listener.connections) == 2)
    third = await dial(listener)
    assert await third.read_to_end() == b""
    await first.close()
    await eventually(lambda: len(listener.connections) == 1)
    fourth = await dial(listener)
    for peer in (second, fourth):
        peer.write(ONE)
    await owner.until(lambda: len(owner.received) == 2)


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


async def test_a_listener_sends_nothing_itself(serve):
    listener = serve()
    with pytest.raises(NotImplementedError):
        listener.send(ONE, None)
    with pytest.raises(NotImplementedError):
        listener.flow_to(LOOPBACK, 5060)


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

"""Connections and what accepts them, on the loopback address: framing, pings, limits, ends."""

import asyncio
import socket
import struct

import pytest

from sipparty.errors import ListenError
from sipparty.sip.flow import Flow
from sipparty.sip.framing import StreamFramer
from sipparty.sip.limits import Limits
from sipparty.trace import Recorder
from sipparty.transport.memory import ConnectionMemory
from sipparty.transport.stream import Connection

LOOPBACK = "127.0.0.1"


def message(number=1, body=b""):
    head = (
        f"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
        f"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


ONE, TWO = message(1), message(2, b"v=0\r\n\r\n")


# -------------------------------------------------------------------- messages


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_messages_arrive_whole_however_they_are_cut(owner, serve, dial, size):
    peer = await dial(serve())
    stream = ONE + TWO + b"\r\n\r\n" + ONE
    for start in range(0, len(stream), size):
        peer.write(stream[start : start + size])
        await asyncio.sleep(0)
    await owner.until(lambda: len(owner.received) == 3)
    assert owner.messages == [ONE, TWO, ONE]
    assert await peer.read(2) == b"\r\n"


async def test_every_split_of_a_message(owner, serve, dial, eventually):
    listener = serve()
    peer = await dial(listener)
    await eventually(lambda: listener.connections)
    (connection,) = listener.connections
    for at in range(1, len(TWO)):
        connection.data_received(TWO[:at])
        connection.data_received(TWO[at:])
    assert owner.messages == [TWO] * (len(TWO) - 1)
    peer.write(ONE)
    await owner.until(lambda: owner.messages[-1] == ONE)


async def test_a_flow_names_both_ends_the_connection_and_its_listener(owner, serve, dial):
    listener = serve()
    peer = await dial(listener)
    peer.write(ONE)
    await owner.until(lambda: owner.received)
    flow = owner.received[0][1]
    assert flow.transport == "TCP"
    assert flow.reliable
    assert flow.local == listener.address
    assert flow.remote == peer.socket.getsockname()
    assert flow.listener is listener
    assert listener.connections == {flow.endpoint}
    assert flow.endpoint.flow is flow
    assert flow.endpoint.family == socket.AF_INET
    assert f"TCP connection to 127.0.0.1 port {flow.remote[1]}>" in repr(flow.endpoint)
    assert repr(listener) == f"<TCP listener 127.0.0.1 port {listener.address[1]}>"


async def test_both_directions_and_the_wire_log(owner, serve, open_to):
    recorder = Recorder()
    with owner.wire.tapped(recorder):
        listener = serve()
        owner.answers.append(TWO)
        connection = await open_to("TCP", listener.address)
        assert connection.flow.listener is connection
        connection.send(ONE, connection.flow)
        await owner.until(lambda: len(owner.received) == 2)
    assert owner.messages == [ONE, TWO]
    there, back = (flow for _, flow in owner.received)
    assert back == connection.flow
    assert there.local == back.remote
    assert there.remote == back.local
    seen = [(record.direction, record.data, record.transport) for record in recorder]
    assert seen == [
        ("received", ONE, "TCP"),
        ("received", TWO, "TCP"),
    ]


async def test_ipv6(owner, serve, open_to):
    try:
        listener = serve(address="::1")
    except ListenError:
        pytest.skip("this host has no IPv6")
    connection = await open_to("TCP", listener.address)
    connection.send(ONE, connection.flow)
    await owner.until(lambda: owner.received)
    assert owner.received[0][1].remote == connection.flow.local
    assert connection.flow.remote == ("::1", listener.address[1])


async def test_the_kernel_is_asked_for_haste_and_signs_of_life(owner, serve, open_to):
    connection = await open_to("TCP", serve().address)
    sock = connection._pipe.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# -------------------------------------------------------------------- what is no message


async def test_garbage_is_answered_and_ends_the_connection(owner, serve, dial, eventually):
    peer = await dial(serve(LINGER=60))
    refusal = b"SIP/2.0 400 Bad Request\r\n\r\n"
    owner.answers.append(refusal)
    # Much more than is read at once: it must not reset the connection under the answer.
    peer.write(b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nContent-Length: many\r\n\r\n")
    peer.write(b"x" * 3_000_000)
    assert await peer.read_to_end() == refusal
    assert owner.reasons == ["what came is no SIP"]
    (head, flow, error) = owner.malformed[0]
    assert head.startswith(b"OPTIONS")
    assert flow.endpoint.closed
    assert error.status == 400
    await peer.close()
    await eventually(lambda: not flow.listener.connections)
    assert len(owner.gone) == 1


async def test_what_a_peer_sends_on_after_garbage_is_read_for_a_moment_only(
    owner, serve, dial, clock, eventually, turns
):
    listener = serve(LINGER=60)
    peer = await dial(listener)
    peer.write(b"\0")
    await owner.until(lambda: owner.gone)
    (connection,) = listener.connections
    peer.write(ONE)
    await turns()
    assert owner.received == []
    clock.advance(connection.LINGER)
    await eventually(lambda: len(listener.connections) == 0)
    assert len(owner.gone) == 1


async def test_a_body_that_is_too_large_is_passed_over(owner, serve, dial):
    peer = await dial(serve(options={"limits": Limits(max_body=10)}))
    owner.answers.append(TWO)
    peer.write(message(1, b"x" * 100_000) + ONE)
    await owner.until(lambda: owner.received)
    assert owner.messages == [ONE]
    assert [error.status for _, _, error in owner.malformed] == [413]
    assert await peer.read(len(TWO)) == TWO
    assert owner.gone == []


# -------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (ONE, "the other side closed the connection"),
        (ONE + TWO[:50], "the other side closed the connection in the middle of a message"),
    ],
)
async def test_a_peer_that_closes(owner, serve, dial, sent, reason):
    listener = serve()
    peer = await dial(listener)
    peer.write(sent)
    peer.writer.write_eof()
    await owner.until(lambda: owner.gone)
    assert owner.messages == [ONE]
    assert owner.reasons == [reason]
    assert listener.connections == set()
    assert await peer.read_to_end() == b""


async def test_a_reset_in_the_middle_of_a_message(owner, serve, dial):
    listener = serve()
    peer = await dial(listener)
    peer.write(ONE + TWO[:50])
    await owner.until(lambda: owner.received)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["connection reset by peer"]
    assert listener.connections == set()


async def test_messages_that_overlap_in_the_reads_are_each_in_time(owner, monkeypatch):
    """A trunk that is never quiet: each read ends one message and begins another."""
    connection = Connection(owner, "TCP")
    monkeypatch.setattr(connection, "_framer", StreamFramer())
    connection.flow = Flow("TCP", ("127.0.0.1", 1), ("127.0.0.1", 2), connection)
    connection._loop = clock = Clock()
    half = len(ONE) // 2
    connection.data_received(ONE[:half])
    begun = []
    for _ in range(3):
        clock.now += 20
        connection.data_received(ONE[half:] + ONE[:half])
        begun.append(connection._unfinished)
    assert begun == [20, 40, 60]
    clock.now += 20
    connection.data_received(b"")
    assert connection._unfinished == 60


class Clock:
    now = 0

    def time(self):
        return self.now


async def test_close_sends_what_was_written(owner, serve, open_to, dial):
    listener = serve()
    connection = await open_to("TCP", listener.address)
    big = message(1, b"x" * 250_000)
    connection.send(big, connection.flow)
    connection.close()
    assert connection.closed
    connection.send(ONE, connection.flow)  # too late
    connection.close()
    await owner.until(lambda: len(owner.gone) == 2)
    assert owner.messages == [big]
    assert set(owner.reasons) == {
        "the connection was closed by this side",
        "the other side closed the connection",
    }


async def test_close_does_not_wait_for_ever_for_a_peer_that_does_not_read(
    owner, accept, open_to, clock, turns
):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    peer.writer.transport.pause_reading()
    connection.LINGER = 60
    connection.send(message(1, b"x" * 30_000_000), connection.flow)
    connection.close()
    await turns()
    assert owner.gone == []
    clock.advance(connection.LINGER)
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the connection was closed by this side"]


async def test_a_peer_that_does_not_read_is_dropped(owner, accept, open_to):
    server = await accept()
    connection = await open_to("TCP", server.address)
    connection.MAX_BACKLOG = 100_000
    peer = await server.peer()
    peer.writer.transport.pause_reading()
    piece = message(1, b"x" * 50_000)
    for _ in range(2000):
        connection.send(piece, connection.flow)
        if connection.closed:
            break
        await asyncio.sleep(0)
    assert connection.closed
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side does not read"]


async def test_a_peer_that_does_not_read_is_not_read_from(owner, accept, open_to, clock, turns):
    server = await accept()
    connection = await open_to("TCP", server.address)
    connection.MAX_BACKLOG = 1 << 30
    peer = await server.peer()
    peer.writer.transport.pause_reading()
    before = owner.held
    connection.send(message(1, b"x" * 9_000_000), connection.flow)
    assert owner.held > before + connection.HIGH_WATER
    peer.write(message(1))
    await turns()
    assert owner.received == []
    connection.send(message(2), connection.flow)
    counted = owner.held
    peer.writer.transport.resume_reading()
    await peer.reader.readexactly(9_000_000)
    await owner.until(lambda: owner.received)
    assert owner.held == before < counted
    clock.advance(connection.CATCH_UP + 1)
    await turns()
    assert owner.gone == []


async def test_a_peer_has_its_time_to_catch_up(owner, accept, open_to, clock):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    peer.writer.transport.pause_reading()
    connection.send(message(1, b"x" * 9_000_000), connection.flow)
    clock.advance(connection.CATCH_UP)
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side does not read"]
    assert owner.held == 0


async def test_what_a_connection_takes_is_counted(owner, serve, dial, eventually):
    listener = serve()
    peer = await dial(listener)
    await eventually(lambda: owner.held == ConnectionMemory.OWN)
    whole = message(1, b"x" * 10_000)
    peer.write(whole[:-1])
    await eventually(lambda: owner.held == ConnectionMemory.OWN + len(whole) - 1)
    peer.write(whole[-1:])
    await owner.until(lambda: owner.received)
    await eventually(lambda: owner.held == ConnectionMemory.OWN)
    peer.writer.close()
    await owner.until(lambda: owner.gone)
    assert owner.held == 0


async def test_at_its_limit_it_ends(owner, serve, dial, eventually):
    owner.most_held = ConnectionMemory.OWN + 5000
    peer = await dial(serve())
    peer.write(message(1, b"x" * 10_000)[:-1])
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the limit leaves no space for what it takes"]
    assert owner.held == 0
    owner.most_held = 0
    assert await (await dial(serve())).read_to_end() == b""


async def test_abort_ends_it_at_once(owner, serve, open_to):
    connection = await open_to("TCP", serve().address)
    connection.abort()
    connection.abort()
    await owner.until(lambda: owner.gone)
    assert owner.gone[0] == (connection.flow, "the connection was closed by this side")
    assert "closed" in repr(connection)


async def test_a_forked_child_lets_go_without_touching_the_loop(owner, serve, dial, eventually):
    listener = serve()
    peer = await dial(listener)
    await eventually(lambda: listener.connections)
    listener.abandon()
    assert await peer.read_to_end() == b""
    assert owner.gone == []
    # For the test's own sake: the loop has the listener's number still.
    asyncio.get_running_loop()._selector.unregister(listener_number(listener))


def listener_number(listener):
    selector = asyncio.get_running_loop()._selector
    for number, key in selector.get_map().items():
        if getattr(key.data[0], "_callback", None) == listener._acceptable:
            return number
    raise AssertionError("The listener is not registered.")


# -------------------------------------------------------------------- how long things may take


async def test_who_says_nothing_is_dropped(owner, serve, dial, clock, eventually, turns):
    listener = serve()
    peer = await dial(listener)
    await eventually(lambda: listener.connections)
    (connection,) = listener.connections
    # Pings are no messages, and a message that does not end is none either.
    peer.write(b"\r\n\r\n")
    assert await peer.read(2) == b"\r\n"
    clock.advance(connection.FIRST_MESSAGE / 2)
    peer.write(ONE[:-10])
    await turns()
    assert not connection.closed
    clock.advance(connection.FIRST_MESSAGE / 2)
    assert await peer.read_to_end() == b""
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["no message came"]


async def test_a_message_that_dribbles_in_ends_the_connection(
    owner, serve, dial, clock, eventually
):
    listener = serve()
    peer = await dial(listener)
    peer.write(ONE)
    await owner.until(lambda: owner.received)
    (connection,) = listener.connections
    for at in range(4):
        peer.write(TWO[at : at + 1])
        await eventually(lambda at=at: connection._framer.pending == at + 1)
        clock.advance(connection.MESSAGE / 4)
    assert await peer.read_to_end() == b""
    assert owner.reasons == ["a message did not come to its end"]


async def test_an_idle_connection_is_closed(owner, serve, dial, clock, turns):
    listener = serve()
    peer = await dial(listener)
    peer.write(ONE)
    await owner.until(lambda: owner.received)
    (connection,) = listener.connections
    clock.advance(connection.IDLE * 0.6)
    await turns()
    peer.write(b"\r\n\r\n")
    assert await peer.read(2) == b"\r\n"
    clock.advance(connection.IDLE * 0.6)
    await turns()
    assert not connection.closed
    clock.advance(connection.IDLE * 0.4)
    assert await peer.read_to_end() == b""
    assert owner.reasons == ["nothing came for a long time"]


async def test_pings(owner, accept, open_to, clock, eventually, turns):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    clock.advance(connection.PING_INTERVAL[0] / 2)
    await turns()
    assert connection._pinged is None
    for _ in range(3):
        clock.advance(connection.PING_INTERVAL[1])
        assert await peer.read(4) == b"\r\n\r\n"
        peer.write(b"\r\n")
        await eventually(lambda: connection._pinged is None)
    clock.advance(connection.PING_INTERVAL[1])
    assert await peer.read(4) == b"\r\n\r\n"
    clock.advance(connection.PONG_PATIENCE)
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side does not answer"]


async def test_a_peer_that_never_answered_a_ping_may_not_know_of_them(
    owner, accept, open_to, clock, turns
):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    for _ in range(3):
        clock.advance(connection.PING_INTERVAL[1])
        assert await peer.read(4) == b"\r\n\r\n"
        clock.advance(connection.PONG_PATIENCE)
        await turns()
    assert not connection.closed


async def test_a_message_is_as_good_as_a_pong(owner, accept, open_to, clock, turns):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    clock.advance(connection.PING_INTERVAL[1])
    assert await peer.read(4) == b"\r\n\r\n"
    peer.write(b"\r\n")  # it knows of pings
    await owner.until(lambda: owner.pongs)
    clock.advance(connection.PING_INTERVAL[1])
    assert await peer.read(4) == b"\r\n\r\n"
    peer.write(ONE)
    await owner.until(lambda: owner.received)
    clock.advance(connection.PONG_PATIENCE)
    await turns()
    assert not connection.closed


async def test_their_ping_is_no_pong(owner, accept, open_to, clock, turns):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    for _ in range(3):
        clock.advance(connection.PING_INTERVAL[1])
        assert await peer.read(4) == b"\r\n\r\n"
        peer.write(b"\r\n\r\n")  # while a pong is awaited: it has pings of its own
        assert await peer.read(2) == b"\r\n"
        clock.advance(connection.PONG_PATIENCE)
        await turns()
    assert owner.pongs == []
    assert not connection.closed  # nobody knows that it answers pings


async def test_a_pong_that_is_late_is_none(owner, accept, open_to, clock, turns):
    server = await accept()
    connection = await open_to("TCP", server.address)
    peer = await server.peer()
    connection.ping()  # as who keeps the flow open does, who waits by himself
    assert await peer.read(4) == b"\r\n\r\n"
    clock.advance(connection.PONG_PATIENCE + 1)
    peer.write(b"\r\n" + ONE)
    await owner.until(lambda: owner.received)
    assert owner.pongs == []
    connection.ping()
    assert await peer.read(4) == b"\r\n\r\n"
    peer.write(b"\r\n" + ONE)
    await owner.until(lambda: len(owner.received) == 2)
    assert len(owner.pongs) == 1

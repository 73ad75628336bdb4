"""Accepting WebSockets, with the client of the library "websockets" as the foreign peer, and with
bytes by hand where a peer misbehaves.
"""

import asyncio
import base64
import struct

import pytest
import websockets.version
from websockets.asyncio.client import connect as foreign_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sipparty.sip.limits import Limits
from sipparty.transport.websocket import WebSocketConnection

LOOPBACK = "127.0.0.1"

#: Older versions of the library know no proxies.
NO_PROXY = {"proxy": None} if int(websockets.version.version.split(".")[0]) > 14 else {}

#: RFC 7118 §5: without Content-Length.
TEXT = "OPTIONS sip:bob@biloxi.com SIP/2.0\r\nSubject: Grüße\r\n\r\n"
ONE = TEXT.encode()
#: Not UTF-8.
TWO = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n\r\n\xff\xfe"


@pytest.fixture
def serve_ws(serve):
    """Listen by WebSocket."""

    def start(transport="WS", **options):
        return serve(transport, kind=WebSocketConnection, **options)

    return start


@pytest.fixture
async def foreign_client():
    """Connect with the library's client: `client = await foreign_client(listener)`."""
    clients = []

    async def start(listener, **options):
        scheme = "wss" if "ssl" in options else "ws"
        options = {"subprotocols": ["sip"], "open_timeout": 10, "close_timeout": 10, **options}
        uri = f"{scheme}://{LOOPBACK}:{listener.address[1]}/"
        client = await foreign_connect(uri, ping_interval=None, **NO_PROXY, **options)
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


def upgrade(*headers, path="/", method="GET", version="HTTP/1.1", protocol="sip"):
    """A handshake by hand."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = [
        f"{method} {path} {version}",
        "Host: biloxi.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def frame(opcode, data=b"", fin=True, mask=True):
    """A frame by hand; the mask is of zeros."""
    first = bytes([(0x80 if fin else 0) | opcode])
    flag = 0x80 if mask else 0
    if len(data) < 126:
        length = bytes([flag | len(data)])
    else:
        length = bytes([flag | 126]) + struct.pack("!H", len(data))
    return first + length + (b"\0\0\0\0" if mask else b"") + data


async def head_of(peer):
    """The head of an HTTP response."""
    async with asyncio.timeout(10):
        return await peer.reader.readuntil(b"\r\n\r\n")


@pytest.fixture
async def shaken(serve_ws, dial):
    """Be a client by hand, after the handshake: `listener, peer = await shaken()`."""

    async def start(**options):
        listener = serve_ws(**options)
        peer = await dial(listener)
        peer.write(upgrade())
        assert (await head_of(peer)).startswith(b"HTTP/1.1 101 ")
        return listener, peer

    return start


# -------------------------------------------------------------------- a foreign client


async def test_messages_from_and_to_a_foreign_client(owner, serve_ws, foreign_client):
    listener = serve_ws()
    client = await foreign_client(listener)
    assert client.subprotocol == "sip"
    owner.answers += [ONE, TWO]
    await client.send(TEXT)
    # RFC 7118 §4.2: both kinds are taken, and UTF-8 is sent as text, the rest as binary.
    assert await client.recv() == TEXT
    assert await client.recv() == TWO
    await client.send(TWO)
    await client.send([TEXT[:10], TEXT[10:20], TEXT[20:]])
    await owner.until(lambda: len(owner.received) == 3)
    assert owner.messages == [ONE, TWO, ONE]
    flow = owner.received[0][1]
    assert flow.transport == "WS"
    assert flow.reliable
    assert flow.listener is listener
    assert flow.local == listener.address
    assert flow.remote == client.local_address


async def test_pings_of_both_kinds_are_answered(owner, serve_ws, foreign_client):
    client = await foreign_client(serve_ws())
    await asyncio.wait_for(await client.ping(), 10)
    await client.send("\r\n\r\n")
    assert await client.recv() == "\r\n"
    await client.send("")
    await client.send("\r\n")
    await client.send(TEXT)
    await owner.until(lambda: owner.received)
    assert owner.messages == [ONE]


async def test_a_client_that_closes(owner, serve_ws, foreign_client, eventually):
    listener = serve_ws()
    client = await foreign_client(listener)
    await client.send(TEXT)
    await client.close(1000, "enough")
    assert client.protocol.close_code == 1000
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side closed the WebSocket with 1000: enough"]
    await eventually(lambda: not listener.connections)
    assert len(owner.gone) == 1


async def test_closing_one_and_the_listener(owner, serve_ws, foreign_client, eventually):
    listener = serve_ws()
    first, second = await foreign_client(listener), await foreign_client(listener)
    await first.send(TEXT)
    await owner.until(lambda: owner.received)
    flow = owner.received[0][1]
    flow.endpoint.close()
    flow.endpoint.close()
    with pytest.raises(ConnectionClosed):
        await first.recv()
    assert first.protocol.close_code == 1000
    listener.close()
    with pytest.raises(ConnectionClosed):
        await second.recv()
    assert second.protocol.close_code == 1000
    await owner.until(lambda: len(owner.gone) == 2)
    assert set(owner.reasons) == {"the connection was closed by this side"}
    await eventually(lambda: not listener.connections)
    assert len(owner.gone) == 2
    flow.endpoint.send(ONE, flow)  # too late


async def test_an_abrupt_end_says_goodbye(serve_ws, foreign_client):
    listener = serve_ws()
    client = await foreign_client(listener)
    listener.abort()
    with pytest.raises(ConnectionClosed):
        await client.recv()
    assert client.protocol.close_code == 1001


async def test_a_message_that_is_too_large(owner, serve_ws, foreign_client):
    limits = Limits(max_head=1000, max_body=1000)
    client = await foreign_client(serve_ws(options={"limits": limits}))
    await client.send("x" * 3000)
    with pytest.raises(ConnectionClosed):
        await client.recv()
    assert client.protocol.close_code == 1009
    await owner.until(lambda: owner.gone)
    assert owner.reasons[0].startswith("what came cannot be taken: ")


@pytest.mark.parametrize("subprotocols", [None, ["chat"], ["sips", "SIP"]])
async def test_clients_that_speak_no_sip(serve_ws, foreign_client, subprotocols):
    with pytest.raises(InvalidStatus) as raised:
        await foreign_client(serve_ws(), subprotocols=subprotocols)
    assert raised.value.response.status_code == 400


async def test_one_sub_protocol_of_several(serve_ws, foreign_client):
    client = await foreign_client(serve_ws(), subprotocols=["chat", "sip"])
    assert client.subprotocol == "sip"


@pytest.mark.parametrize(
    ("origins", "origin", "taken"),
    [
        (None, "https://evil.example", True),
        ((), None, True),
        ((), "https://evil.example", False),
        (["https://biloxi.com"], "https://biloxi.com", True),
        (["https://biloxi.com"], None, True),
        (["https://biloxi.com"], "https://evil.example", False),
        ([], "https://biloxi.com", False),
    ],
)
async def test_the_sites_whose_pages_may_connect(serve_ws, foreign_client, origins, origin, taken):
    listener = serve_ws(options={"origins": origins})
    if taken:
        await foreign_client(listener, origin=origin)
    else:
        with pytest.raises(InvalidStatus) as raised:
            await foreign_client(listener, origin=origin)
        assert raised.value.response.status_code == 403


async def test_a_client_is_pinged_and_dropped_where_it_is_silent(owner, shaken, clock, turns):
    listener, peer = await shaken()
    (connection,) = listener.connections
    # It may have nothing to say for long: after the handshake that is all right.
    clock.advance(connection.FIRST_MESSAGE)
    await turns()
    clock.advance(connection.PING_INTERVAL[1])
    assert await peer.read(2) == frame(9, mask=False)
    peer.write(frame(10))
    await owner.until(lambda: connection._pinged is None)
    clock.advance(connection.PING_INTERVAL[1])
    assert await peer.read(2) == frame(9, mask=False)
    clock.advance(connection.PONG_PATIENCE)
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side does not answer"]


# -------------------------------------------------------------------- what is no WebSocket


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: biloxi.com\r\n\r\n", b"426 Upgrade Required"),
        (b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nFrom: x\r\n\r\n", b""),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"hello\r\n", b"400 Bad Request"),
        (upgrade(protocol=""), b"400 Bad Request"),
        (upgrade(protocol="chat"), b"400 Bad Request"),
        (upgrade("Origin: a", "Origin: b"), b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 20_000, b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\n" + b"X: 1234567\r\n" * 100, b"431 Request Header Fields Too Large"),
    ],
)
async def test_requests_that_are_no_handshake(owner, serve_ws, dial, sent, status, eventually):
    listener = serve_ws(options={"limits": Limits(max_head=1000)})
    peer = await dial(listener)
    peer.write(sent)
    got = await peer.read_to_end()
    assert got.startswith(b"HTTP/1.1 " + status)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    await peer.close()
    await eventually(lambda: not listener.connections)
    assert owner.gone == []
    assert owner.batches == 0


async def test_a_handshake_in_pieces_and_a_message_right_behind_it(owner, serve_ws, dial):
    peer = await dial(serve_ws())
    stream = upgrade() + frame(1, ONE) + frame(2, TWO)
    for at in range(len(stream)):
        peer.write(stream[at : at + 1])
        await asyncio.sleep(0)
    await owner.until(lambda: len(owner.received) == 2)
    peer.write(frame(1, ONE) + frame(1, ONE))
    await owner.until(lambda: len(owner.received) == 4)
    assert owner.messages == [ONE, TWO, ONE, ONE]


async def test_all_in_one_piece(owner, serve_ws, dial):
    peer = await dial(serve_ws())
    peer.write(upgrade() + frame(1, ONE) + frame(8, b"\x03\xe8"))
    assert (await head_of(peer)).startswith(b"HTTP/1.1 101 ")
    await owner.until(lambda: owner.gone)
    assert owner.messages == [ONE]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
async def test_a_handshake_that_does_not_end(owner, serve_ws, dial, clock, eventually, sent):
    listener = serve_ws()
    peer = await dial(listener)
    await eventually(lambda: listener.connections)
    (connection,) = listener.connections
    peer.write(sent)
    await eventually(lambda: connection._handshake == len(sent))
    clock.advance(connection.FIRST_MESSAGE)
    assert await peer.read_to_end() == b""
    assert owner.gone == []


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
async def test_a_peer_that_leaves_in_the_handshake(owner, serve_ws, dial, eventually, sent):
    listener = serve_ws()
    peer = await dial(listener)
    await eventually(lambda: listener.connections)
    peer.write(sent)
    peer.writer.write_eof()
    await eventually(lambda: not listener.connections)
    got = await peer.read_to_end()
    assert got.startswith(b"HTTP/1.1 400 ") if sent else got == b""
    assert owner.gone == []


@pytest.mark.parametrize(
    ("frames", "code", "reason"),
    [
        (frame(1, b"\xff\xfe"), 1007, "what came as text is not UTF-8"),
        (frame(1, b"\xff", fin=False) + frame(0, b"a"), 1007, "what came as text is not UTF-8"),
        (frame(1, ONE, mask=False), 1002, "what came cannot be taken: "),
        (frame(0, ONE), 1002, "what came cannot be taken: "),
        (frame(3, ONE), 1002, "what came cannot be taken: "),
        (frame(1, ONE, fin=False) + frame(1, ONE), 1002, "what came cannot be taken: "),
    ],
)
async def test_frames_that_are_wrong(owner, shaken, frames, code, reason):
    _, peer = await shaken()
    peer.write(frames + frame(1, ONE))
    got = await peer.read_to_end()
    assert got[0] == 0x88
    assert struct.unpack("!H", got[2:4])[0] == code
    await owner.until(lambda: owner.gone)
    assert owner.reasons[0].startswith(reason)
    assert owner.received == []


@pytest.mark.parametrize(
    ("begun", "more"),
    [(frame(1, ONE)[:9], b"x"), (frame(1, ONE, fin=False), frame(0, b"x", False))],
    ids=["frame", "fragments"],
)
async def test_a_message_that_dribbles_in(owner, shaken, clock, turns, eventually, begun, more):
    listener, peer = await shaken()
    (connection,) = listener.connections
    peer.write(begun)
    await eventually(lambda: connection._unfinished is not None)
    for _ in range(4):
        clock.advance(connection.MESSAGE / 4)
        peer.write(more)
        await turns()
    await peer.read_to_end()
    assert owner.reasons == ["a message did not come to its end"]


async def test_a_peer_that_leaves_without_a_word(owner, shaken):
    _, peer = await shaken()
    peer.writer.write_eof()
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side closed the connection"]


async def test_a_peer_that_does_not_agree_to_the_end(owner, shaken, clock):
    listener, peer = await shaken(LINGER=60)
    (connection,) = listener.connections
    connection.close()
    assert await peer.read(4) == frame(8, b"\x03\xe8", mask=False)
    peer.write(frame(1, ONE))
    clock.advance(connection.LINGER)
    assert await peer.read_to_end() == b""
    await owner.until(lambda: owner.gone)
    assert owner.received == []


async def test_a_peer_that_does_not_read(owner, shaken):
    listener, peer = await shaken(MAX_BACKLOG=100_000)
    peer.writer.transport.pause_reading()
    (connection,) = listener.connections
    for _ in range(2000):
        connection.send(b"x" * 50_000, connection.flow)
        if connection.closed:
            break
        await asyncio.sleep(0)
    await owner.until(lambda: owner.gone)
    assert owner.reasons == ["the other side does not read"]

"""Opening WebSockets, with the server of the library "websockets" as the foreign peer, and with
bytes by hand where a server misbehaves; and secure ones, either way.
"""

import asyncio
import ssl

import pytest
import websockets.version
from websockets.asyncio.client import connect as foreign_connect
from websockets.asyncio.server import serve as foreign_serve
from websockets.exceptions import ConnectionClosed
from websockets.utils import accept_key

from sipparty.errors import TransportError
from sipparty.transport.tls import TLSConfig, TLSError
from sipparty.transport.websocket import WebSocketConnection

LOOPBACK = "127.0.0.1"

#: Older versions of the library know no proxies.
NO_PROXY = {"proxy": None} if int(websockets.version.version.split(".")[0]) > 14 else {}

TEXT = "OPTIONS sip:bob@biloxi.com SIP/2.0\r\nSubject: Grüße\r\n\r\n"
ONE = TEXT.encode()
#: Not UTF-8.
TWO = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n\r\n\xff\xfe"


@pytest.fixture
async def foreign_server():
    """Listen with the library's server: `server = await foreign_server(); await server.peer()`."""
    servers = []

    class Server:
        async def start(self, **options):
            self.peers = asyncio.Queue()
            options = {"subprotocols": ["sip"], "close_timeout": 10, **options}
            self.server = await foreign_serve(
                self._came, LOOPBACK, 0, ping_interval=None, **options
            )
            self.address = self.server.sockets[0].getsockname()
            return self

        async def _came(self, peer):
            self.peers.put_nowait(peer)
            await peer.wait_closed()

        async def peer(self):
            async with asyncio.timeout(10):
                return await self.peers.get()

    async def start(**options):
        server = await Server().start(**options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.server.close()
        await server.server.wait_closed()


# -------------------------------------------------------------------- a foreign server


async def test_messages_to_and_from_a_foreign_server(owner, foreign_server, open_to):
    server = await foreign_server()
    connection = await open_to("WS", server.address, "biloxi.com", path="ws?x=1")
    peer = await server.peer()
    assert peer.request.path == "/ws?x=1"
    assert peer.request.headers["Host"] == f"biloxi.com:{server.address[1]}"
    assert peer.request.headers["Sec-WebSocket-Protocol"] == "sip"
    connection.send(ONE, connection.flow)
    connection.send(TWO, connection.flow)
    assert await peer.recv() == TEXT
    assert await peer.recv() == TWO
    await peer.send(TEXT)
    await peer.send(TWO)
    await peer.send([ONE[:9], ONE[9:]])
    await owner.until(lambda: len(owner.received) == 3)
    assert owner.messages == [ONE, TWO, ONE]
    assert {flow for _, flow in owner.received} == {connection.flow}
    assert connection.flow.transport == "WS"
    assert connection.flow.remote == server.address
    assert connection.flow.listener is connection


async def test_the_host_is_the_address_where_there_is_no_name(foreign_server, open_to):
    server = await foreign_server()
    await open_to("WS", server.address)
    peer = await server.peer()
    assert peer.request.headers["Host"] == f"127.0.0.1:{server.address[1]}"


async def test_pings(owner, foreign_server, open_to, clock, eventually):
    server = await foreign_server()
    connection = await open_to("WS", server.address)
    peer = await server.peer()
    await asyncio.wait_for(await peer.ping(), 10)
    await peer.send("\r\n\r\n")
    assert await peer.recv() == "\r\n"
    for _ in range(3):
        clock.advance(connection.PING_INTERVAL[1])
        await eventually(lambda: connection._pinged is not None)
        await eventually(lambda: connection._pinged is None)
    assert not connection.closed
    assert owner.received == []


async def test_closing(owner, foreign_server, open_to):
    server = await foreign_server()
    connection = await open_to("WS", server.address)
    peer = await server.peer()
    connection.close()
    connection.close()
    with pytest.raises(ConnectionClosed):
        await peer.recv()
    assert peer.protocol.close_code == 1000
    await owner.until(lambda: owner.gone)
    assert owner.gone == [(connection.flow, "the connection was closed by this side")]


async def test_a_server_that_closes(owner, foreign_server, open_to):
    server = await foreign_server()
    connection = await open_to("WS", server.address)
    peer = await server.peer()
    await peer.send(TEXT)
    await peer.close(1001, "maintenance")
    await owner.until(lambda: owner.gone)
    assert owner.messages == [ONE]
    assert owner.reasons == ["the other side closed the WebSocket with 1001: maintenance"]
    assert connection.closed


@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
async def test_servers_that_speak_no_sip(owner, foreign_server, open_to, subprotocols):
    options = {"subprotocols": subprotocols, "select_subprotocol": lambda *_: None}
    server = await foreign_server(**options)
    with pytest.raises(TransportError) as raised:
        await open_to("WS", server.address)
    assert str(raised.value) == (
        f"Cannot connect by WS to 127.0.0.1 port {server.address[1]}: "
        'the other side does not agree to the sub-protocol "sip".'
    )
    assert owner.gone == []


async def test_a_path_that_is_none(owner, foreign_server, open_to):
    server = await foreign_server()
    with pytest.raises(TransportError) as raised:
        await open_to("WS", server.address, "biloxi.com", path="/ws#1")
    address = f"ws://biloxi.com:{server.address[1]}/ws#1"
    assert str(raised.value).endswith(f": {address} is not the address of a WebSocket.")
    assert owner.gone == []


# -------------------------------------------------------------------- servers by hand


def switching(request, *headers):
    """The answer to a handshake, with more headers."""
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def answered(server, open_to, answer, close=True):
    """What is said of a server that answers a handshake in some way."""

    async def serve():
        peer = await server.peer()
        async with asyncio.timeout(10):
            request = await peer.reader.readuntil(b"\r\n\r\n")
        peer.write(answer(request) if callable(answer) else answer)
        if close:
            peer.writer.write_eof()
        await peer.read_to_end()

    serving = asyncio.create_task(serve())
    try:
        with pytest.raises(TransportError) as raised:
            await open_to("WS", server.address)
    finally:
        await serving
    place = f"Cannot connect by WS to 127.0.0.1 port {server.address[1]}: "
    assert str(raised.value).startswith(place)
    return str(raised.value).removeprefix(place)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "the WebSocket handshake failed: the other side answered 404 Not Found.",
        ),
        (
            b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\nuntil the end",
            "the WebSocket handshake failed: the other side answered 403 No.",
        ),
        (b"", "the WebSocket handshake failed: the other side closed the connection."),
        (b"HTTP/1.1 101", "the WebSocket handshake failed: the other side closed the connection."),
        (b"SIP/2.0 400 Bad\r\n\r\n", "the WebSocket handshake failed: "),
        (
            lambda request: switching(request, "Sec-WebSocket-Protocol: chat"),
            "the WebSocket handshake failed: unsupported subprotocol: chat.",
        ),
        (
            lambda request: switching(request).replace(b"Accept: ", b"Accept: x"),
            "the WebSocket handshake failed: invalid Sec-WebSocket-Accept header",
        ),
        (
            lambda request: b"HTTP/1.1 101 Yes\r\n" + b"X: 1\r\n" * 20_000,
            "the WebSocket handshake failed: ",
        ),
    ],
    ids=range(8),
)
async def test_answers_that_are_no_handshake(owner, accept, open_to, answer, reason):
    server = await accept()
    assert (await answered(server, open_to, answer)).startswith(reason)
    assert owner.gone == []


async def test_a_handshake_without_an_answer(accept, open_to):
    server = await accept()
    with pytest.raises(TransportError, match=r"the WebSocket handshake was not done in time"):
        await open_to("WS", server.address, timeout=0.02)
    peer = await server.peer()
    assert (await peer.read_to_end()).startswith(b"GET / HTTP/1.1\r\n")


async def test_a_server_that_begins_to_talk_at_once(owner, accept, open_to):
    server = await accept()
    opening = asyncio.create_task(open_to("WS", server.address))
    peer = await server.peer()
    async with asyncio.timeout(10):
        request = await peer.reader.readuntil(b"\r\n\r\n")
    peer.write(
        switching(request, "Sec-WebSocket-Protocol: sip") + b"\x81" + bytes([len(ONE)]) + ONE
    )
    connection = await opening
    await owner.until(lambda: owner.received)
    assert owner.received == [(ONE, connection.flow)]
    # A client waits for the server to end it, but not for ever; here the frame is wrong.
    peer.write(b"\x83\x00")
    got = await peer.read(8)
    assert got[0] == 0x88
    assert connection.closed


# -------------------------------------------------------------------- secure


@pytest.mark.parametrize(
    ("issued", "name"),
    # RFC 7118 §9.1: by the rules of HTTPS, with wildcards.
    [("ws.biloxi.com", "ws.biloxi.com"), ("*.biloxi.com", "ws.biloxi.com"), (LOOPBACK, "")],
)
async def test_secure_websockets(owner, serve, open_to, authority, issued, name):
    context = TLSConfig(authority.issue(issued)).server_context()
    listener = serve("WSS", context=context, kind=WebSocketConnection)
    trusting = TLSConfig(authorities=authority.file)
    connection = await open_to("WSS", listener.address, name, tls=trusting)
    connection.send(ONE, connection.flow)
    await owner.until(lambda: owner.received)
    assert owner.received[0][1].transport == connection.flow.transport == "WSS"
    connection.close()
    await owner.until(lambda: len(owner.gone) == 2)


@pytest.mark.parametrize(
    ("issued", "name"),
    # A SIP URI proves nothing here.
    [("atlanta.com", "biloxi.com"), ("sip:biloxi.com", "biloxi.com"), ("biloxi.com", LOOPBACK)],
)
async def test_secure_websockets_that_prove_nothing(owner, serve, open_to, authority, issued, name):
    context = TLSConfig(authority.issue(issued)).server_context()
    listener = serve("WSS", context=context, kind=WebSocketConnection)
    trusting = TLSConfig(authorities=authority.file)
    with pytest.raises(TLSError, match=r"the certificate is not accepted: it is not for that "):
        await open_to("WSS", listener.address, name, tls=trusting)
    await open_to("WSS", listener.address, name, tls=TLSConfig(verify=False))


async def test_a_foreign_client_that_is_secure(owner, serve, authority):
    context = TLSConfig(authority.issue(LOOPBACK)).server_context()
    listener = serve("WSS", context=context, kind=WebSocketConnection)
    trusting = ssl.create_default_context(cafile=authority.file)
    uri = f"wss://{LOOPBACK}:{listener.address[1]}/"
    async with foreign_connect(uri, subprotocols=["sip"], ssl=trusting, **NO_PROXY) as client:
        await client.send(TEXT)
        await owner.until(lambda: owner.received)
        flow = owner.received[0][1]
        flow.endpoint.send(TWO, flow)
        assert await client.recv() == TWO


# -------------------------------------------------------------------- and without


def test_the_library_is_not_loaded_before_it_is_needed(run_script):
    done = run_script(
        "import sys\n"
        "import sipparty.parties, sipparty.transport, sipparty.transport.connecting\n"
        "assert not [name for name in sys.modules if name.startswith('websockets')]\n"
    )
    assert done.returncode == 0, done.stderr

"""The hub's connections: which one a dialog's request goes by, which is closed to make room, and
responses whose connection has ended (RFC 3261 §18.2.2).
"""

import asyncio
import socket

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Flow, Message, NextHop, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.events import CallReceived
from sipparty.transport import Resolver, WebSocketConfig
from sipparty.transport.hub import _can_take, _goes_to, _is_beyond_nat
from sipparty.transport.response_fallback import ResponseFallback
from sipparty.transport.stream import Connection
from sipparty.transport.targets import Target

LOOPBACK = "127.0.0.1"
PATIENCE = 10


@pytest.fixture
async def engine():
    engine = Engine(asyncio.get_running_loop())
    yield engine
    await engine.aclose()


@pytest.fixture
def alice(engine):
    return UserAgent(engine.core, "sip:alice@atlanta.com")


class User:
    """Who wants a flow."""

    def __init__(self):
        self.outcome = asyncio.get_running_loop().create_future()

    def flow_found(self, flow):
        self.outcome.set_result(flow)

    def flow_failed(self, reason):
        self.outcome.set_result(reason)


@pytest.fixture
def connect(engine, alice):
    """Have a connection to a server."""

    async def connect(port, transport="TCP"):
        user = User()
        hop = NextHop(LOOPBACK, port, transport)
        engine.run(engine.hub.find, FlowWanted(alice, hop, None, user))
        return await asyncio.wait_for(user.outcome, PATIENCE)

    return connect


@pytest.fixture
async def servers():
    """Make TCP servers: `port, taken = await servers()`; what they take is in a queue."""
    made, writers = [], []

    async def serve():
        taken = asyncio.Queue()

        def take(reader, writer):
            writers.append(writer)
            taken.put_nowait((reader, writer))

        server = await asyncio.start_server(take, LOOPBACK, 0)
        made.append(server)
        return server.sockets[0].getsockname()[1], taken

    yield serve
    for server in made:
        server.close()
    for writer in writers:
        writer.close()
    await asyncio.sleep(0)


# ---------------------------------------------------------------- the port rule


class StandIn(Connection):
    """A connection that is only looked at."""

    listener = None

    def __init__(self, transport, port, closed=False, host="192.0.2.9"):
        self.closed = closed
        self.flow = Flow(transport, (LOOPBACK, 40000), (host, port), self)


@pytest.mark.parametrize(
    ("transport", "port", "hop", "goes"),
    [
        ("TCP", 5060, ("192.0.2.9", None, None), True),
        ("TCP", 5060, ("192.0.2.9", 5060, "TCP"), True),
        # Another port is another program.
        ("TCP", 5062, ("192.0.2.9", None, None), False),
        ("TCP", 5062, ("192.0.2.9", 5060, None), False),
        ("TCP", 5062, ("192.0.2.9", 5062, "TCP"), True),
        # The port that is meant where none is said is the transport's own.
        ("TLS", 5061, ("192.0.2.9", None, None), True),
        ("TLS", 5060, ("192.0.2.9", None, "TLS"), False),
        # Another host, or another transport, is another place.
        ("TCP", 5060, ("192.0.2.8", 5060, None), False),
        ("TCP", 5060, ("biloxi.com", 5060, None), False),
        ("TCP", 5060, ("192.0.2.9", 5060, "UDP"), False),
        ("TCP", 5061, ("192.0.2.9", 5061, "TLS"), False),
        # Who came by a WebSocket is reached by it alone, whatever the URI says.
        ("WS", 40001, ("df7jal23ls0d.invalid", None, "WS"), True),
        ("WSS", 40001, ("192.0.2.8", 443, "WSS"), True),
    ],
)
def test_which_requests_a_dialogs_connection_takes(transport, port, hop, goes):
    wanted = FlowWanted("agent", NextHop(*hop), None, None)
    connection = StandIn(transport, port)
    assert _goes_to(connection.flow, wanted) is goes
    assert _can_take(connection.flow, wanted)


@pytest.mark.parametrize("transport", ["TCP", "WS"])
def test_it_takes_none_that_it_has_failed(transport):
    hop = NextHop("192.0.2.9", 5060)
    tried = ((transport, "192.0.2.9", 5060),)
    assert not _goes_to(
        StandIn(transport, 5060).flow, FlowWanted("a", hop, None, None, False, tried)
    )
    fresh = FlowWanted("a", hop, None, None)
    assert not _goes_to(StandIn(transport, 5060, closed=True).flow, fresh)


@pytest.mark.parametrize(
    ("transport", "secure"), [("TCP", False), ("WS", False), ("TLS", True), ("WSS", True)]
)
def test_what_is_secure_needs_a_secure_one(transport, secure):
    wanted = FlowWanted("a", NextHop("192.0.2.9", 5061, None, True), None, None)
    connection = StandIn(transport, 5061)
    assert _can_take(connection.flow, wanted) is secure
    assert _goes_to(connection.flow, wanted) is secure


@pytest.mark.parametrize(
    ("peer", "host", "beyond"),
    [
        ("8.8.8.8", "192.168.1.5", True),
        ("8.8.8.8", "100.64.0.1", True),  # a carrier's NAT, RFC 6598
        ("2606:4700::1", "fd00::5", True),
        ("8.8.8.8", "1.1.1.1", False),
        ("8.8.8.8", "phone.example.com", False),
        ("8.8.8.8", "256.0.0.1", False),
        # Here both may be in the same network.
        ("192.168.1.1", "192.168.1.5", False),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_a_peer_from_the_internet_that_names_an_address_of_none(peer, host, beyond):
    connection = StandIn("TCP", 40001, host=peer)
    wanted = FlowWanted("agent", NextHop(host, 5060), connection, None)
    assert not _is_beyond_nat(connection.flow, wanted)  # we opened it
    connection.listener = object()
    assert _is_beyond_nat(connection.flow, wanted) is beyond
    connection.closed = True
    assert not _is_beyond_nat(connection.flow, wanted)


# ---------------------------------------------------------------- making room


async def test_the_connection_that_is_idle_longest_makes_room(
    engine, connect, servers, monkeypatch
):
    monkeypatch.setattr(engine.hub.pool, "most", 2)
    ports = [(await servers())[0] for _ in range(3)]
    first, second = [(await connect(port)).endpoint for port in ports[:2]]
    assert first.last_used <= second.last_used
    monkeypatch.setattr(first, "last_used", second.last_used + 1)  # it was used since
    third = (await connect(ports[2])).endpoint
    assert [one.closed for one in (first, second, third)] == [False, True, False]
    assert (await connect(ports[0])).endpoint is first


async def test_what_was_sent_counts_as_use(connect, servers):
    port, _ = await servers()
    flow = await connect(port)
    flow.endpoint.last_used -= 100
    before = flow.endpoint.last_used
    flow.endpoint.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n", flow)
    assert flow.endpoint.last_used > before + 99


async def test_the_path_of_a_websocket(alice, servers):
    engine = Engine(asyncio.get_running_loop(), websocket=WebSocketConfig(path="/sip?room=1"))
    port, taken = await servers()
    user = User()
    agent = UserAgent(engine.core, "sip:alice@atlanta.com")
    hop = NextHop(LOOPBACK, port, "WS")
    engine.run(engine.hub.find, FlowWanted(agent, hop, None, user))
    reader, writer = await asyncio.wait_for(taken.get(), PATIENCE)
    line = await asyncio.wait_for(reader.readline(), PATIENCE)
    assert line == b"GET /sip?room=1 HTTP/1.1\r\n"
    writer.close()
    assert "WebSocket handshake failed" in await asyncio.wait_for(user.outcome, PATIENCE)
    await engine.aclose()


@pytest.mark.parametrize(
    ("origin", "status"), [("https://example.com", b"101"), ("https://evil.example", b"403")]
)
async def test_the_origins_of_websockets(origin, status):
    config = WebSocketConfig(origins=["https://example.com"])
    engine = Engine(asyncio.get_running_loop(), websocket=config)
    agent = UserAgent(engine.core, "sip:alice@atlanta.com")
    listener = engine.hub.listeners.listen(agent, LOOPBACK, 0, transport="WS")
    reader, writer = await asyncio.open_connection(*listener.address)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: sip\r\nOrigin: %s\r\n\r\n" % origin.encode()
    )
    line = await asyncio.wait_for(reader.readline(), PATIENCE)
    assert line.split()[1] == status
    writer.close()
    await engine.aclose()


# ---------------------------------------------------------------- late responses


INVITE = (
    "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/TCP {sent_by};branch=z9hG4bKlate\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:peer@example.com>;tag=1\r\nTo: <sip:bob@biloxi.com>\r\n"
    "Call-ID: late\r\nCSeq: 1 INVITE\r\nContact: <sip:peer@127.0.0.1:9;transport=tcp>\r\n"
    "Content-Length: 0\r\n\r\n"
)


async def status_line(reader):
    return await asyncio.wait_for(reader.readline(), PATIENCE)


@pytest.fixture
async def bob(engine):
    """A party that lets its callers wait: `calls` is a queue of their dialogs."""
    party = NoMediaSimpleCallsParty("bob@biloxi.com", engine=engine)
    party.CLOSE_TIMEOUT = 0.0
    party.calls_received = asyncio.Queue()

    async def note(event):
        party.calls_received.put_nowait(event.call)

    party.on(CallReceived, note)
    party.listen(None, address=LOOPBACK, transport="TCP")
    yield party
    await party.aclose()


async def call_and_hang_up_the_line(bob, sent_by, eventually):
    """Invite a party, and close the connection; gives its dialog."""
    _, writer = await asyncio.open_connection(LOOPBACK, bob.contact_uri.port)
    writer.write(INVITE.format(sent_by=sent_by).encode())
    dialog = await asyncio.wait_for(bob.calls_received.get(), PATIENCE)
    (listener,) = bob._endpoints
    writer.close()
    await eventually(lambda: not listener.connections)
    return dialog


async def test_a_response_goes_by_a_new_connection(bob, servers, eventually):
    port, taken = await servers()
    dialog = await call_and_hang_up_the_line(bob, f"{LOOPBACK}:{port}", eventually)
    dialog.reject(486)
    reader, _ = await asyncio.wait_for(taken.get(), PATIENCE)
    assert await status_line(reader) == b"SIP/2.0 486 Busy Here\r\n"


async def test_it_goes_to_where_the_request_came_from(bob, servers, eventually):
    """Not to a host that anybody may have written in a Via."""
    port, taken = await servers()
    dialog = await call_and_hang_up_the_line(bob, f"pc33.example.com:{port}", eventually)
    dialog.reject(486)
    reader, _ = await asyncio.wait_for(taken.get(), PATIENCE)
    assert await status_line(reader) == b"SIP/2.0 486 Busy Here\r\n"


async def test_where_nobody_listens_it_is_dropped(bob, free_port, eventually):
    hub = bob.engine.hub
    dialog = await call_and_hang_up_the_line(bob, f"{LOOPBACK}:{free_port}", eventually)
    dialog.reject(486)
    assert len(hub.response_fallback) == 1
    await eventually(lambda: not len(hub.response_fallback))


def dead(transport="TCP"):
    """A flow whose connection has ended."""
    return StandIn(transport, 40000, closed=True, host=LOOPBACK).flow


def response(sent_by, transport="TCP"):
    return f"SIP/2.0 200 OK\r\nVia: SIP/2.0/{transport} {sent_by};branch=z9hG4bK1\r\n\r\n".encode()


def one_of(number, sent_by, transport="TCP"):
    return response(sent_by, transport).replace(b"z9hG4bK1", b"z9hG4bK%d" % number)


async def read_branches(reader, number):
    """The branches of so many responses, as they come."""
    got = b""
    while got.count(b"\r\n\r\n") < number:
        got += await asyncio.wait_for(reader.read(65536), PATIENCE)
    return [int(part.split(b"\r\n")[0]) for part in got.split(b"z9hG4bK")[1:]]


async def test_there_is_one_attempt_for_all_that_wait_for_it(engine, servers):
    port, taken = await servers()
    hub = engine.hub
    for number in (1, 2, 1, 3, 3):  # some of them are sent again meanwhile
        engine.run(hub.response_fallback.send, one_of(number, f"{LOOPBACK}:{port}"), dead())
    assert len(hub.response_fallback) == 3
    assert len(hub._tasks) == 1
    reader, _ = await asyncio.wait_for(taken.get(), PATIENCE)
    assert await read_branches(reader, 3) == [1, 2, 3]
    assert len(hub.response_fallback) == 0
    # What comes later goes by that connection, and so does what has another host in its Via.
    engine.run(hub.response_fallback.send, one_of(4, f"pc33.example.com:{port}"), dead())
    assert await read_branches(reader, 1) == [4]
    assert taken.empty()


async def test_of_one_host_so_many_wait_at_the_most(engine, monkeypatch, servers, eventually):
    """Others' responses go out all the same."""
    monkeypatch.setattr(ResponseFallback, "MAX", 4)
    monkeypatch.setattr(ResponseFallback, "MAX_OF_ONE", 3)
    seeking = []
    monkeypatch.setattr(engine.hub, "_try", lambda wanted, *rest: seeking.append(wanted))
    for number in range(10):
        # Another place each time, which does not answer.
        data = one_of(number, f"{LOOPBACK}:{9 + number}")
        engine.run(engine.hub.response_fallback.send, data, dead())
    assert len(engine.hub.response_fallback) == len(seeking) == 3
    for number in range(2):
        other = dead().to((f"127.0.0.{2 + number}", 40000))
        engine.run(engine.hub.response_fallback.send, one_of(number, LOOPBACK), other)
    assert len(engine.hub.response_fallback) == len(seeking) == 4
    for wanted in seeking:
        wanted.user.flow_failed("nobody is there")
    assert len(engine.hub.response_fallback) == 0


async def test_what_is_opened_for_responses_throws_out_nothing_else(
    engine, connect, servers, monkeypatch, eventually
):
    """Whoever has us connect to many places has room of his own."""
    monkeypatch.setattr(engine.hub.pool, "most", 2)
    monkeypatch.setattr(engine.hub.response_fallback.pool, "most", 2)
    ours = (await connect((await servers())[0])).endpoint
    for number in range(4):
        port, taken = await servers()
        engine.run(engine.hub.response_fallback.send, one_of(number, f"{LOOPBACK}:{port}"), dead())
        reader, _ = await asyncio.wait_for(taken.get(), PATIENCE)
        assert await read_branches(reader, 1) == [number]
    assert not ours.closed
    there = [one for one in engine.hub.connections() if not one.closed]
    assert len(there) == 3
    for connection in there:
        connection.abort()
    await eventually(lambda: not engine.hub.connections())


async def test_the_name_that_a_response_is_for_may_be_none(engine, eventually, caplog, servers):
    """By TLS the Via's host has to be proved, and anybody may have written it."""
    port, _ = await servers()
    sent_by = f"{'a' * 64}.com:{port}"
    engine.run(engine.hub.response_fallback.send, response(sent_by, "TLS"), dead("TLS"))
    assert len(engine.hub.response_fallback) == 1
    await eventually(lambda: not len(engine.hub.response_fallback))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("data", "transport"),
    [
        (b"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n\r\n", "TCP"),
        (response("127.0.0.1:9", "WS"), "WS"),
        (response("127.0.0.1:9", "WSS"), "WSS"),
        (response("127.0.0.1:9", "UDP"), "UDP"),
        (b"SIP/2.0 200 OK\r\n\r\n", "TCP"),
        (response("x y z"), "TCP"),
    ],
)
async def test_what_is_not_sent_anew(engine, data, transport):
    engine.run(engine.hub.response_fallback.send, data, dead(transport))
    assert len(engine.hub.response_fallback) == 0
    assert not engine.hub._tasks


async def test_peers_are_told_where_it_listens_in_later_requests_too(
    engine, alice, servers, eventually
):
    """A dialog's next request goes by the connection that it has, and says what the first did."""
    port, _ = await servers()
    listener = engine.hub.listeners.listen(
        alice, LOOPBACK, 0, transport="TCP", advertised=("203.0.113.7", None)
    )
    told = ("203.0.113.7", listener.address[1])
    flows, carrier = [], None
    for _ in range(2):
        user = User()
        hop = NextHop(LOOPBACK, port, "TCP")
        engine.run(engine.hub.find, FlowWanted(alice, hop, carrier, user))
        flows.append(await asyncio.wait_for(user.outcome, PATIENCE))
        carrier = flows[-1].endpoint
    assert flows[0] is flows[1]
    assert alice.address_on(flows[0]) == told
    assert flows[0].local == carrier.address
    with socket.socket() as peer:
        peer.connect(listener.address)
        await eventually(lambda: listener.connections)
        (accepted,) = listener.connections
        assert (alice.address_on(accepted.flow), accepted.flow.local) == (told, listener.address)
        accepted.abort()
        await eventually(lambda: not listener.connections)


# ---------------------------------------------------------------- one attempt for all who want it


def several(engine, alice, number, hop):
    """Have so many look for a flow at once; return who they are."""
    users = [User() for _ in range(number)]

    def find():
        for user in users:
            engine.hub.find(FlowWanted(alice, hop, None, user))

    engine.run(find)
    return users


async def outcomes(users):
    return await asyncio.wait_for(asyncio.gather(*[user.outcome for user in users]), PATIENCE)


async def test_fifty_requests_at_once_open_one_connection(engine, alice, servers, monkeypatch):
    """Forty-nine were opened besides, and closed."""
    port, taken = await servers()
    flows = await outcomes(several(engine, alice, 50, NextHop(LOOPBACK, port, "TCP")))
    assert len({flow.endpoint for flow in flows}) == 1
    assert not engine.hub.pool.pending
    (again,) = await outcomes(several(engine, alice, 1, NextHop(LOOPBACK, port, "TCP")))
    assert again.endpoint is flows[0].endpoint
    await asyncio.wait_for(taken.get(), PATIENCE)
    assert taken.empty()


async def test_where_nobody_listens_all_of_them_hear_of_it(engine, alice, free_port):
    users = several(engine, alice, 5, NextHop(LOOPBACK, free_port, "TCP"))
    assert all("refused" in reason for reason in await outcomes(users))
    assert not engine.hub.pool.pending


async def test_one_that_raises_keeps_it_from_no_other(engine, alice, servers, caplog):
    port, _ = await servers()
    users = several(engine, alice, 3, NextHop(LOOPBACK, port, "TCP"))
    users[1].flow_found = lambda flow: 1 / 0
    first, last = await outcomes([users[0], users[2]])
    assert first.endpoint is last.endpoint
    assert "ZeroDivisionError" in caplog.text


async def test_a_defect_leaves_none_of_them_waiting(engine, alice, free_port, monkeypatch, caplog):
    async def fail(*_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(engine.hub, "_connect", fail)
    users = several(engine, alice, 3, NextHop(LOOPBACK, free_port, "TCP"))
    assert set(await outcomes(users)) == {"No flow was found: a defect."}
    assert not engine.hub.pool.pending


async def test_giving_up_tells_all_of_them(engine, alice):
    users = several(engine, alice, 3, NextHop("192.0.2.1", 5060, "TCP"))
    engine.run(engine.hub.give_up, "it is over")
    assert set(await outcomes(users)) == {"it is over"}
    assert not engine.hub.pool.pending


# ---------------------------------------------------------------- what is down, and what answers


async def test_a_target_that_answers_is_not_down_any_more(engine, alice, servers):
    port, _ = await servers()
    down = engine.hub.resolver.health
    engine.hub.resolver.mark_down(Target("TCP", LOOPBACK, port, LOOPBACK))
    await outcomes(several(engine, alice, 1, NextHop(LOOPBACK, port, "TCP")))
    assert len(down) == 0


async def test_nor_is_one_that_answers_by_udp(engine, alice, peer):
    """It was remembered as down for half a minute, however often it answered meanwhile."""
    bob = NoMediaSimpleCallsParty("bob@biloxi.com", engine=engine)
    bob.listen(None, address=LOOPBACK)
    down = engine.hub.resolver.health
    engine.hub.mark_down(bob._endpoints[0].flow_to(LOOPBACK, peer.port))
    assert len(down) == 1
    peer.socket.setblocking(False)
    exchange = bob.options(f"sip:{LOOPBACK}:{peer.port}")
    data = await asyncio.wait_for(
        asyncio.get_running_loop().sock_recv(peer.socket, 65536), PATIENCE
    )
    request = Message.parse(data)
    for status, left in ((503, 1), (200, 0)):
        flow = bob._endpoints[0].flow_to(LOOPBACK, peer.port)
        engine.messages_received([(bytes(request.response(status, to_tag="t")), flow)])
        assert len(down) == left
        if status == 503:
            exchange = bob.options(f"sip:{LOOPBACK}:{peer.port}")
            data = await asyncio.wait_for(
                asyncio.get_running_loop().sock_recv(peer.socket, 65536), PATIENCE
            )
            request = Message.parse(data)
    assert exchange.response.status == 200
    await bob.aclose()


async def test_an_engine_that_closes_asks_no_more():
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def lookup(question):
        asked.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    engine = Engine(asyncio.get_running_loop(), resolver=Resolver(lookup=lookup, hosts=None))
    agent = UserAgent(engine.core, "sip:alice@atlanta.com")
    users = several(engine, agent, 1, NextHop("example.com"))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    await engine.aclose()
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert isinstance(await users[0].outcome, str)


async def test_of_suspects_so_many_are_remembered(engine):
    flow = Flow("UDP", (LOOPBACK, 5060), (LOOPBACK, 1))
    for port in range(engine.core.MAX_SUSPECTS + 1):
        engine.core.suspect(flow.to((LOOPBACK, port)))
    assert len(engine.core._suspects) == 1

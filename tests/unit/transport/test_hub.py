"""The hub: endpoints that are shared, and the way from a next hop to a flow (RFC 3263 §4)."""

import asyncio
import socket
import sys

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import ListenError, TransportError, UsageError
from sipparty.sip import NextHop, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.transports import standard_port
from sipparty.transport import Resolver, connecting, source_selection, udp
from sipparty.transport.addresses import local_address_to
from sipparty.transport.nameservers import Answered
from sipparty.transport.pool import key_of
from sipparty.transport.stream import Connection
from sipparty.transport.targets import SRV, Answer, RecordType, Target

LOOPBACK = "127.0.0.1"
#: More addresses of this host; Linux has the whole of 127.0.0.0/8.
OTHER, THIRD = "127.0.0.2", "127.0.0.3"
OUTSIDE = "203.0.113.7"

linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone")


class Names:
    """A DNS without a wire: records by name and type; others are not there."""

    def __init__(self):
        self.zone = {}
        self.asked = 0
        self.gate = None

    async def __call__(self, question):
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        return Answered(Answer(tuple(self.zone.get((question.name, question.type), ()))), 60.0)

    def service(self, name, *targets):
        """Have a domain served by these, in order."""
        for transport in {transport for transport, _, _ in targets}:
            self.zone[f"_sip._{transport.lower()}.{name}", RecordType.SRV] = [
                SRV(at, 1, port, f"host{at}.{name}")
                for at, (kind, _, port) in enumerate(targets)
                if kind == transport
            ]
        for at, (_, address, _) in enumerate(targets):
            self.zone[f"host{at}.{name}", RecordType.A] = [address]


class User:
    """Who wants a flow, and hears of it once."""

    def __init__(self):
        self.heard = []
        self.is_told = asyncio.Event()

    def flow_found(self, flow):
        self.heard.append(flow)
        self.is_told.set()

    def flow_failed(self, reason):
        self.heard.append(reason)
        self.is_told.set()

    async def outcome(self):
        async with asyncio.timeout(10):
            await self.is_told.wait()
        (outcome,) = self.heard
        return outcome


@pytest.fixture
def names():
    return Names()


@pytest.fixture
async def engine(names):
    resolver = Resolver(
        transports=("UDP", "TCP"),
        families=(RecordType.A,),
        lookup=names,
        hosts=None,
        chance=lambda: 0.0,
    )
    engine = Engine(asyncio.get_running_loop(), resolver=resolver)
    yield engine
    await engine.aclose()


@pytest.fixture
def hub(engine):
    return engine.hub


@pytest.fixture
def alice(engine):
    return UserAgent(engine.core, "sip:alice@atlanta.com")


@pytest.fixture
def find(engine, alice):
    """Want a flow; returns who hears of it."""

    def ask(host, port=None, transport=None, endpoint=None, agent=None, **options):
        user = User()
        hop = NextHop(host, port, transport)
        engine.run(engine.hub.find, FlowWanted(agent or alice, hop, endpoint, user, **options))
        return user

    return ask


@pytest.fixture
async def peer():
    """A TCP server that takes connections and says nothing: its port, and what it took."""
    taken = []

    def take(reader, writer):
        taken.append(writer)

    server = await asyncio.start_server(take, LOOPBACK, 0)
    server.port, server.taken = server.sockets[0].getsockname()[1], taken
    yield server
    server.close()
    for writer in taken:
        writer.close()
    await asyncio.sleep(0)


@pytest.fixture
def closed_port():
    """A TCP port where nobody listens, and nobody can begin to."""
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        yield bound.getsockname()[1]


def place(flow):
    return (flow.transport, *flow.remote)


# ---------------------------------------------------------------- datagrams


async def test_an_address_is_found_at_once(find, hub):
    user = find("10.0.0.9", 5070)
    (flow,) = user.heard
    assert place(flow) == ("UDP", "10.0.0.9", 5070)
    # Nobody listens yet: what was bound serves for the next one too.
    (again,) = find("10.0.0.8").heard
    assert place(again) == ("UDP", "10.0.0.8", 5060)
    assert again.endpoint is flow.endpoint
    assert hub.endpoints() == [flow.endpoint]


async def test_it_goes_out_where_the_agent_listens(find, hub, alice):
    other = UserAgent(hub._owner.core, "sip:carol@atlanta.com")
    hub.listeners.listen(other, LOOPBACK, 0)
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0)
    assert (find(LOOPBACK, 5070).heard[0]).endpoint is endpoint
    # What the dialog has used so far comes first; what does not reach the peer is passed over.
    second = hub.listeners.listen(alice, LOOPBACK, 0)
    assert find(LOOPBACK, endpoint=second).heard[0].endpoint is second
    assert find("10.0.0.9", endpoint=second).heard[0].endpoint not in (endpoint, second)


# ---------------------------------------------------------------- names


async def test_a_name_and_its_targets(find, names):
    names.service("biloxi.com", ("UDP", "10.0.0.11", 5061), ("UDP", "10.0.0.12", 5062))
    user = find("biloxi.com")
    assert user.heard == []  # it takes a turn of the loop
    assert place(await user.outcome()) == ("UDP", "10.0.0.11", 5061)
    tried = (("UDP", "10.0.0.11", 5061),)
    assert place(await find("biloxi.com", tried=tried).outcome()) == ("UDP", "10.0.0.12", 5062)
    tried += (("UDP", "10.0.0.12", 5062),)
    reason = await find("biloxi.com", tried=tried).outcome()
    assert reason == "Every target of biloxi.com has failed."


async def test_the_next_request_goes_to_a_live_target_at_once(find, names, hub):
    names.service("biloxi.com", ("UDP", "10.0.0.11", 5061), ("UDP", "10.0.0.12", 5062))
    dead = await find("biloxi.com").outcome()
    hub.mark_down(dead)
    live = await find("biloxi.com").outcome()
    assert live.remote == ("10.0.0.12", 5062)
    hub.mark_down(live, 600.0)
    # If all are down, the one that is back the soonest.
    assert (await find("biloxi.com").outcome()).remote == ("10.0.0.11", 5061)
    hub.mark_down(dead, 0.0)
    assert (await find("biloxi.com").outcome()).remote == ("10.0.0.11", 5061)


async def test_a_name_that_is_not_there(find):
    reason = await find("nowhere.example").outcome()
    assert "nowhere.example" in reason


async def test_a_defect_leaves_nobody_waiting(find, hub, monkeypatch, caplog):
    async def fail(*arguments, **options):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(hub.resolver, "resolve", fail)
    assert await find("biloxi.com").outcome() == "No flow was found: oops."
    assert "A flow could not be found." in caplog.text


async def test_giving_up(find, hub, names):
    names.gate = asyncio.Event()
    user = find("biloxi.com")
    await asyncio.sleep(0)
    hub.give_up("No route was found: the engine was closed.")
    assert user.heard == ["No route was found: the engine was closed."]
    names.gate.set()
    await asyncio.sleep(0)
    assert len(user.heard) == 1


# ---------------------------------------------------------------- connections


async def test_a_connection_is_made_and_kept(find, hub, peer):
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    assert place(flow) == ("TCP", LOOPBACK, peer.port)
    assert isinstance(flow.endpoint, Connection)
    (again,) = find(LOOPBACK, peer.port, endpoint=flow.endpoint).heard  # known: nothing to wait for
    assert again.endpoint is flow.endpoint
    assert (await find(LOOPBACK, peer.port, "TCP").outcome()).endpoint is flow.endpoint
    flow.endpoint.close()
    fresh = await find(LOOPBACK, peer.port, "TCP", endpoint=flow.endpoint).outcome()
    assert fresh.endpoint is not flow.endpoint
    assert not fresh.endpoint.closed


async def test_who_comes_at_the_same_time_shares_one(find, hub, peer):
    users = [find(LOOPBACK, peer.port, "TCP") for _ in range(3)]
    flows = [await user.outcome() for user in users]
    assert len({flow.endpoint for flow in flows}) == 1
    assert len([kept for kept in hub.endpoints() if isinstance(kept, Connection)]) == 1


async def test_by_tcp_a_place_has_one_connection_whatever_its_name(find, names, peer):
    """Nobody proves a name there, and nobody is told of one, as by TLS and WebSocket."""
    for name in ("biloxi.com", "chicago.com"):
        names.service(name, ("TCP", LOOPBACK, peer.port))
    flows = [await find(name).outcome() for name in ("biloxi.com", "chicago.com")]
    assert flows[0] == flows[1]
    for transport, same in (("TCP", True), ("TLS", False), ("WS", False), ("WSS", False)):
        keys = {key_of(Target(transport, LOOPBACK, 5060, name), "") for name in ("a", "b")}
        assert (len(keys) == 1) is same


async def test_a_large_request_goes_by_tcp(find, peer):
    flow = await find(LOOPBACK, peer.port, reliable=True).outcome()
    assert place(flow) == ("TCP", LOOPBACK, peer.port)


async def test_where_nobody_takes_it_by_tcp_it_goes_by_udp(find, hub, closed_port):
    flow = await find(LOOPBACK, closed_port, reliable=True).outcome()
    assert place(flow) == ("UDP", LOOPBACK, closed_port)
    assert len(hub.resolver.health) == 1  # the next large one need not find that out again


async def test_a_large_request_that_tcp_has_lost(find, peer):
    tried = (("TCP", LOOPBACK, peer.port),)
    flow = await find(LOOPBACK, peer.port, reliable=True, tried=tried).outcome()
    assert place(flow) == ("UDP", LOOPBACK, peer.port)


async def test_a_target_that_refuses_connections(find, names, peer, closed_port, hub):
    names.service("biloxi.com", ("TCP", LOOPBACK, closed_port), ("TCP", LOOPBACK, peer.port))
    flow = await find("biloxi.com").outcome()
    assert place(flow) == ("TCP", LOOPBACK, peer.port)
    assert len(hub.resolver.health) == 1


async def test_nobody_takes_connections(find, closed_port):
    reason = await find(LOOPBACK, closed_port, "TCP").outcome()
    assert reason.startswith(f"Cannot connect by TCP to {LOOPBACK} port {closed_port}: ")


async def test_a_connection_that_ends_at_once(find, names, peer, hub, monkeypatch):
    """Whoever hangs up before anything was said is down, and the next one is tried."""
    names.service("biloxi.com", ("TCP", LOOPBACK, 9), ("TCP", LOOPBACK, peer.port))
    connect = connecting.connect

    async def hasty(owner, target, **options):
        if target.port != 9:
            return await connect(owner, target, **options)
        connection = await connect(owner, target._replace(port=peer.port), **options)
        connection.close()
        return connection

    monkeypatch.setattr(connecting, "connect", hasty)
    flow = await find("biloxi.com").outcome()
    assert flow.remote == (LOOPBACK, peer.port)
    assert not flow.endpoint.closed
    assert [connection.closed for connection in hub.endpoints()] == [False]


async def test_a_dialog_leaves_a_connection_that_has_failed(find, names, peer):
    """RFC 3263 §4.3: a target that was tried is not tried again, connected or not."""
    names.service("biloxi.com", ("TCP", LOOPBACK, peer.port), ("UDP", "10.0.0.12", 5062))
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    tried = (("TCP", LOOPBACK, peer.port),)
    reason = await find(
        LOOPBACK, peer.port, endpoint=flow.endpoint, transport="TCP", tried=tried
    ).outcome()
    assert reason == f"Every target of {LOOPBACK} has failed."


async def test_peers_are_told_where_the_agent_listens(find, hub, alice, peer):
    listener = hub.listeners.listen(alice, LOOPBACK, 0, transport="TCP")
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    assert alice.address_on(flow) == listener.address
    assert alice.contact(flow) == f"<sip:alice@{LOOPBACK}:{listener.address[1]};transport=tcp>"


# ---------------------------------------------------------------- several addresses


def cannot_route(host, *_):
    raise TransportError(f"No route leads to {host}.")


@linux
async def test_of_several_addresses_the_routes_choose(find, hub, alice, monkeypatch):
    first = hub.listeners.listen(alice, OTHER, 0)
    ours = hub.listeners.listen(alice, LOOPBACK, 0)
    everywhere = hub.listeners.listen(alice, "0.0.0.0", 0)
    flow = find("127.0.0.9").heard[0]
    assert flow.endpoint is ours
    assert flow.local[0] == local_address_to("127.0.0.9")
    # What a dialog has used, it uses.
    assert find("127.0.0.9", endpoint=first).heard[0].endpoint is first
    # Rather one that is bound to all than to another than the routes say.
    hub.listeners.release(alice, ours)
    assert find("127.0.0.9").heard[0].endpoint is everywhere
    hub.listeners.release(alice, everywhere)
    assert find("127.0.0.9").heard[0].endpoint is first
    hub.listeners.listen(alice, LOOPBACK, 0)
    monkeypatch.setattr(source_selection, "local_address_to", cannot_route)
    assert find("127.0.0.9").heard[0].endpoint is first


@linux
async def test_connections_too(find, hub, alice, peer):
    for transport in ("UDP", "TCP"):
        hub.listeners.listen(alice, OTHER, 0, transport=transport)
    hub.listeners.listen(alice, LOOPBACK, 0)
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    assert flow.local[0] == LOOPBACK


@linux
@pytest.mark.parametrize(
    ("bound", "told"),
    [
        # Nobody listens at the address that the connection is from.
        ([OTHER], None),
        ([OTHER, THIRD], THIRD),
        ([OTHER, "0.0.0.0"], "0.0.0.0"),
        (["0.0.0.0", THIRD], THIRD),
        ([], None),
    ],
)
async def test_a_connection_names_no_port_where_nobody_listens(find, hub, alice, peer, bound, told):
    alice.local_address = THIRD
    listeners = {host: hub.listeners.listen(alice, host, 0, transport="TCP") for host in bound}
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    assert flow.local == flow.endpoint.address
    assert flow.local[0] == THIRD
    port = flow.local[1] if told is None else listeners[told].address[1]
    assert alice.address_on(flow) == (THIRD, port)


@linux
async def test_what_is_advertised_leads_to_its_listener(find, hub, alice, peer):
    alice.local_address = THIRD
    hub.listeners.listen(alice, OTHER, 0, transport="TCP", advertised=(OUTSIDE, 5070))
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    assert alice.address_on(flow) == (OUTSIDE, 5070)
    assert flow.local[0] == THIRD


@linux
async def test_what_is_advertised_counts_for_another_socket(find, hub, alice):
    """Bound to every address, and sending from one: that takes a socket of its own."""
    listener = hub.listeners.listen(alice, "0.0.0.0", 0, advertised=(OUTSIDE, 5070))
    assert find(LOOPBACK).heard[0].endpoint is listener
    alice.local_address = OTHER
    flow = find(LOOPBACK).heard[0]
    assert flow.local == flow.endpoint.address
    assert flow.local[0] == OTHER
    assert alice.address_on(flow) == (OUTSIDE, 5070)
    assert alice.sent_by(flow) == f"SIP/2.0/UDP {OUTSIDE}:5070;"
    assert find(LOOPBACK, endpoint=flow.endpoint).heard == [flow]
    # It is advertised no longer than somebody listens there.
    hub.listeners.release(alice, listener)
    later = find(LOOPBACK).heard[0]
    assert later is flow
    assert alice.address_on(flow) == flow.endpoint.address
    assert alice.sent_by(flow) == "SIP/2.0/UDP {}:{};".format(*flow.local)


async def test_what_was_advertised_for_an_address(hub, alice):
    assert hub.listeners.advertised_host(alice, LOOPBACK) is None
    hub.listeners.listen(alice, "0.0.0.0", 0, advertised=(OUTSIDE, 5070))
    hub.listeners.listen(alice, LOOPBACK, 0, advertised=("192.0.2.1", None))
    assert hub.listeners.advertised_host(alice, LOOPBACK) == "192.0.2.1"
    assert hub.listeners.advertised_host(alice, "10.0.0.9") == OUTSIDE
    assert hub.listeners.advertised_host(alice, "::1") is None


@pytest.mark.parametrize("because", ["it does not answer", "it sees us elsewhere"])
async def test_how_a_peer_is_reached_is_found_out_anew(find, hub, monkeypatch, because):
    """Our address may be another one by now."""
    user = find("127.0.0.9")
    flow = user.heard[0]
    monkeypatch.setattr(udp, "local_address_to", lambda host, *_: THIRD)
    assert find("127.0.0.9").heard[0] == flow
    (hub.mark_down if because == "it does not answer" else hub.keepalives.reroute)(flow)
    assert find("127.0.0.9").heard[0].local == (THIRD, flow.local[1])


# ---------------------------------------------------------------- listening


async def test_an_endpoint_is_shared_and_closed_by_the_last(hub, engine, alice):
    carol = UserAgent(engine.core, "sip:carol@atlanta.com")
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0)
    port = endpoint.address[1]
    assert hub.listeners.listen(carol, LOOPBACK, port) is endpoint
    assert engine.core.directory.receiving() == [alice, carol]
    hub.listeners.release(alice, endpoint)
    assert not endpoint.closed
    hub.leave(carol)
    assert endpoint.closed
    assert hub.unused()
    assert hub.listeners.listen(alice, LOOPBACK, port) is not endpoint


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_two_of_one_name(hub, engine, alice, transport):
    twin = UserAgent(engine.core, alice.uri)
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0, transport=transport)
    with pytest.raises(UsageError, match=r"Another party listens there as alice@atlanta\.com\."):
        hub.listeners.listen(twin, LOOPBACK, endpoint.address[1], transport=transport)
    assert not endpoint.closed
    assert engine.core.directory.receiving() == [alice]


async def test_it_is_left_after_the_last_dialog(hub, alice):
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0)
    alice.dialogs["a call"] = None
    hub.listeners.release_later(alice, endpoint)
    hub.listeners.let_leave()
    assert not endpoint.closed
    alice.dialogs.clear()
    hub.listeners.let_leave()
    assert endpoint.closed
    assert hub.listeners.leaving == []


async def test_who_comes_back_stays(hub, alice):
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0)
    alice.dialogs["a call"] = None
    hub.listeners.release_later(alice, endpoint)
    assert hub.listeners.listen(alice, LOOPBACK, endpoint.address[1]) is endpoint
    alice.dialogs.clear()
    hub.listeners.let_leave()
    assert not endpoint.closed


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_filter_chooses_among_the_ports(hub, alice, transport):
    endpoint = hub.listeners.listen(alice, LOOPBACK, 0, range(1007, 65536, 1000), transport)
    assert endpoint.address[1] % 1000 == 7


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_port_that_is_taken(hub, alice, transport):
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((LOOPBACK, 0))
        if transport == "TCP":
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=str(port)):
            hub.listeners.listen(alice, LOOPBACK, port, transport=transport)
        with pytest.raises(ListenError, match="every port that the filter takes is in use"):
            hub.listeners.listen(alice, LOOPBACK, 0, [port], transport)
    assert hub.unused()


async def test_transports(hub, alice):
    with pytest.raises(UsageError, match="There is no transport 'SCTP'"):
        hub.listeners.listen(alice, LOOPBACK, 0, transport="SCTP")
    assert [standard_port(name) for name in ("UDP", "tcp", "TLS", "WS", "WSS")] == [
        5060,
        5060,
        5061,
        80,
        443,
    ]
    with pytest.raises(UsageError, match="There is no transport 'SCTP'"):
        standard_port("SCTP")


# ---------------------------------------------------------------- what takes no time


async def test_what_is_known_takes_no_task(find, hub, names, peer):
    """An address, a name that was asked about, and a connection that is there."""
    names.service("biloxi.com", ("UDP", "10.0.0.11", 5061))
    hop = ("biloxi.com", None, "UDP")
    await find(*hop).outcome()
    flow = await find(LOOPBACK, peer.port, "TCP").outcome()
    await asyncio.sleep(0)  # the tasks of these are over
    asked = names.asked
    assert place(find(*hop).heard[0]) == ("UDP", "10.0.0.11", 5061)
    assert find(LOOPBACK, peer.port, "TCP").heard == [flow]
    assert not hub._tasks
    assert names.asked == asked


async def test_an_address_that_no_transport_leads_to_fails_at_once(find, hub):
    assert "not at hand" in find("10.0.0.9", transport="SCTP").heard[0]
    assert not hub._tasks


async def test_the_alternatives_of_a_next_hop_come_after_its_targets(engine, alice, names):
    names.service("one.example", ("UDP", "10.0.0.11", 5061), ("UDP", "10.0.0.12", 5062))
    last = NextHop("10.0.0.13", 5063)
    hop = NextHop("one.example", transport="UDP", alternatives=(NextHop("none.example"), last))
    assert not last._replace(alternatives=(hop,)).is_numeric
    tried = ()
    for _ in range(4):
        user = User()
        engine.run(engine.hub.find, FlowWanted(alice, hop, None, user, tried=tried))
        outcome = await user.outcome()
        if isinstance(outcome, str):
            break
        tried += (place(outcome),)
    assert [port for _, _, port in tried] == [5061, 5062, 5063]
    assert outcome.startswith("No target found for sip:none.example")


async def test_an_agent_hears_what_it_advertises_from_now_on(find, hub, alice):
    """What was said of an address before counts no longer than it is so."""
    flow = find(LOOPBACK).heard[0]
    before = alice.contact(flow)
    assert alice.address_on(flow) == flow.local
    hub.listeners.listen(alice, OTHER, 0, advertised=(OUTSIDE, 5070))
    assert alice.address_on(flow) == (OUTSIDE, 5070)
    assert alice.contact(flow) == f"<sip:alice@{OUTSIDE}:5070>" != before

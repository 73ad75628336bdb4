"""The UDP socket: batches, a full socket, ICMP errors, and what a peer may write in a Via."""

import asyncio
import errno
import math
import socket
import sys

import pytest

from sipparty.errors import ListenError, TransportError
from sipparty.sip import Flow
from sipparty.trace import Wire
from sipparty.transport import UDPEndpoint, bind_udp, udp

LOOPBACK = "127.0.0.1"
PATIENCE = 10

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell of ICMP")


class Owner:
    """Stands for the engine: notes what it is told."""

    def __init__(self):
        self.wire = Wire([])
        self.received, self.batches, self.failed = [], [], []
        self.stun, self.pongs = [], []
        self.happened = asyncio.Event()
        self.on_datagram = None

    def messages_received(self, batch):
        for entry in batch:
            self.received.append(entry)
            if self.on_datagram is not None:
                self.on_datagram()
        self.batches.append(len(self.received))
        self.happened.set()

    def stun_received(self, data, flow):
        self.stun.append((data, flow))
        self.happened.set()

    def pong_received(self, flow):
        self.pongs.append(flow)
        self.happened.set()

    def send_failed(self, flow, reason):
        self.failed.append((flow, reason))
        self.happened.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.happened.clear()
                await self.happened.wait()


class Socket:
    """A socket whose `sendto` is the test's."""

    def __init__(self, sock, owner):
        self.real = sock
        self.owner = owner
        self.errors = []
        self.sent = []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def sendto(self, data, address):
        if self.errors:
            error = self.errors.pop(0)
            if error is not None:
                raise error
        self.sent.append((data, address))
        self.owner.happened.set()
        return len(data)


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def make(owner):
    """Make an endpoint on the test's loop, closed after it."""
    made = []

    def make(host=LOOPBACK, port=0, wrap=lambda sock, owner: sock):
        sock = wrap(bind_udp(host, port), owner)
        made.append(UDPEndpoint(asyncio.get_running_loop(), owner, sock))
        return made[-1]

    yield make
    for endpoint in made:
        assert endpoint.closed, "close it in the test, while the loop runs"


def sending(endpoint, host=LOOPBACK, port=9):
    return endpoint.flow_to(host, port)


class TestBinding:
    def test_a_free_port(self):
        with bind_udp(LOOPBACK, 0) as sock:
            assert sock.getsockname()[0] == LOOPBACK
            assert sock.getsockname()[1] > 0
            assert sock.getblocking() is False

    def test_a_port_that_is_taken(self):
        with bind_udp(LOOPBACK, 0) as sock:
            port = sock.getsockname()[1]
            with pytest.raises(ListenError) as caught:
                bind_udp(LOOPBACK, port)
        assert str(caught.value) == (
            f"Cannot listen on UDP 127.0.0.1 port {port}: Address already in use."
        )

    @pytest.mark.parametrize("port", [-1, 65536, 10**9])
    def test_no_port(self, port):
        with pytest.raises(ListenError, match=str(port)):
            bind_udp(LOOPBACK, port)

    def test_an_address_that_is_not_ours(self):
        with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
            bind_udp("192.0.2.1", 0)

    @pytest.mark.parametrize("host", ["localhost", "", "[::1]", "256.1.1.1"])
    def test_a_name(self, host):
        with pytest.raises(ListenError, match="expected a numeric address"):
            bind_udp(host, 0)

    def test_both_families_at_one_port(self):
        with bind_udp("0.0.0.0", 0) as four, bind_udp("::", four.getsockname()[1]) as six:
            assert four.getsockname()[1] == six.getsockname()[1]

    def test_no_socket_to_be_had(self, monkeypatch):
        def none(*args):
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(socket, "socket", none)
        with pytest.raises(ListenError, match="Too many open files"):
            bind_udp(LOOPBACK, 0)


class TestReceiving:
    async def test_a_datagram_comes_with_its_flow(self, make, owner, peer):
        endpoint = make()
        peer.send(b"hello", endpoint.address[1])
        await owner.until(lambda: owner.received)
        ((data, flow),) = owner.received
        assert (data, flow.transport, flow.endpoint) == (b"hello", "UDP", endpoint)
        assert (flow.local, flow.remote) == (endpoint.address, (LOOPBACK, peer.port))
        assert endpoint.flow_to(LOOPBACK, peer.port) is flow
        endpoint.close()

    async def test_many_are_one_batch(self, make, owner, peer):
        endpoint = make()
        for number in range(30):
            peer.send(b"%d" % number, endpoint.address[1])
        await owner.until(lambda: len(owner.received) == 30)
        assert [data for data, _ in owner.received] == [b"%d" % n for n in range(30)]
        assert len(owner.batches) < 30
        endpoint.close()

    async def test_a_quiet_socket_is_not_asked_in_vain(self, make, owner, peer, monkeypatch):
        """One datagram a turn, until they come one after the other."""
        monkeypatch.setattr(UDPEndpoint, "BUSY", 0.0)  # nothing is one after the other
        endpoint = make()
        reads = []
        receive = endpoint._socket.recvfrom
        endpoint._socket = type(
            "Counting",
            (),
            {
                "recvfrom": lambda _, size: reads.append(size) or receive(size),
                "recvmsg": endpoint._socket.recvmsg,
            },
        )()
        for number in range(3):
            peer.send(b"%d" % number, endpoint.address[1])
            await owner.until(lambda number=number: len(owner.received) > number)
        assert len(reads) == 3
        endpoint._done_at = 0.0
        monkeypatch.setattr(UDPEndpoint, "BUSY", math.inf)
        for number in range(10):
            peer.send(b"%d" % number, endpoint.address[1])
        await owner.until(lambda: len(owner.received) == 13)
        assert owner.batches[-1] == 13
        assert len(owner.batches) == 4
        endpoint._socket = receive.__self__
        endpoint.close()

    async def test_one_that_is_always_readable_is_emptied(self, make, owner, peer, monkeypatch):
        """A loop that has other work comes back late, and must not fall behind for good."""
        monkeypatch.setattr(UDPEndpoint, "BUSY", 0.0)
        endpoint = make()
        for _ in range(60):
            peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: len(owner.received) == 60)
        assert len(owner.batches) == UDPEndpoint.STREAK + 1
        peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: len(owner.received) == 61)
        assert endpoint._streak == 0
        endpoint.close()

    async def test_a_batch_has_an_end(self, make, owner, peer, monkeypatch):
        monkeypatch.setattr(UDPEndpoint, "BATCH", 4)
        endpoint = make()
        for _ in range(10):
            peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: len(owner.received) == 10)
        assert max(b - a for a, b in zip([0, *owner.batches], owner.batches, strict=False)) <= 4
        endpoint.close()

    async def test_an_empty_datagram(self, make, owner, peer):
        endpoint = make()
        peer.send(b"", endpoint.address[1])
        await owner.until(lambda: owner.received)
        assert owner.received[0][0] == b""
        endpoint.close()

    async def test_one_bound_to_every_address_says_which_is_ours(self, make, owner, peer):
        endpoint = make("0.0.0.0")
        peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: owner.received)
        assert owner.received[0][1].local == (LOOPBACK, endpoint.address[1])
        assert endpoint.flow_to("127.9.9.9", 5060).local[0] == "127.0.0.1"
        endpoint.close()

    async def test_closing_in_the_middle_of_a_batch(self, make, owner, peer):
        endpoint = make()
        owner.on_datagram = endpoint.close
        for _ in range(3):
            peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: owner.received)
        assert len(owner.received) == 1
        endpoint.close()  # once more does no harm

    async def test_what_is_remembered_has_a_limit(self, make, monkeypatch):
        monkeypatch.setattr(UDPEndpoint, "PEERS", 3)
        endpoint = make()
        held = endpoint.flow_to(LOOPBACK, 1)
        for port in range(2, 12):
            endpoint.flow_to(LOOPBACK, port)
        assert len(endpoint.recent) <= 3
        assert len(endpoint._flows) <= 4
        assert endpoint.flow_to(LOOPBACK, 1) is held
        endpoint.close()

    async def test_who_cannot_be_answered_is_not_heard(self, make, owner, peer, monkeypatch):
        def nowhere(host, *_):
            raise TransportError("No route leads there.")

        monkeypatch.setattr("sipparty.transport.udp._HAS_ARRIVAL", False)
        endpoint = make("0.0.0.0")
        monkeypatch.setattr("sipparty.transport.udp.local_address_to", nowhere)
        peer.send(b"x", endpoint.address[1])
        await owner.until(lambda: owner.batches)
        assert owner.received == []
        endpoint.close()


class TestSending:
    async def test_a_datagram_goes_out(self, make, peer):
        endpoint = make()
        endpoint.send(b"SIP/2.0 200 OK\r\n\r\n", sending(endpoint, LOOPBACK, peer.port))
        assert peer.socket.recv(100) == b"SIP/2.0 200 OK\r\n\r\n"
        endpoint.close()

    async def test_what_there_is_no_room_for_waits_in_order(self, make, owner):
        endpoint = make(wrap=Socket)
        sock = endpoint._socket
        sock.errors = [BlockingIOError()]
        flow = sending(endpoint)
        for data in (b"1", b"2", b"3"):
            endpoint.send(data, flow)
        assert sock.sent == []
        await owner.until(lambda: len(sock.sent) == 3)
        assert [data for data, _ in sock.sent] == [b"1", b"2", b"3"]
        endpoint.send(b"4", flow)
        assert sock.sent[-1][0] == b"4"  # at once, as before
        endpoint.close()

    async def test_of_what_waits_the_oldest_are_dropped(self, make, owner, monkeypatch):
        monkeypatch.setattr(UDPEndpoint, "BACKLOG", 2)
        endpoint = make(wrap=Socket)
        sock = endpoint._socket
        sock.errors = [BlockingIOError()]
        for data in (b"1", b"2", b"3", b"4"):
            endpoint.send(data, sending(endpoint))
        await owner.until(lambda: len(sock.sent) == 2)
        assert [data for data, _ in sock.sent] == [b"3", b"4"]
        endpoint.close()

    async def test_closing_while_something_waits(self, make):
        endpoint = make(wrap=Socket)
        endpoint._socket.errors = [BlockingIOError()]
        endpoint.send(b"1", sending(endpoint))
        endpoint.close()
        await asyncio.sleep(0)
        assert endpoint._socket.sent == []

    async def test_a_failure_while_others_wait_keeps_no_other_from_going(self, make, owner):
        endpoint = make(wrap=Socket)
        sock = endpoint._socket
        gone = [OSError(errno.EPERM, "Operation not permitted")] * 2
        sock.errors = [BlockingIOError(), *gone]
        for data in (b"1", b"2"):
            endpoint.send(data, sending(endpoint))
        await owner.until(lambda: owner.failed and sock.sent)
        assert owner.failed == [(sending(endpoint), "operation not permitted")]
        assert [data for data, _ in sock.sent] == [b"2"]
        endpoint.close()

    async def test_a_failure_is_told_later(self, make, owner):
        endpoint = make(wrap=Socket)
        endpoint._socket.errors = [OSError(errno.ENETUNREACH, "Network is unreachable")] * 2
        endpoint.send(b"1", sending(endpoint))
        assert owner.failed == []
        await owner.until(lambda: owner.failed)
        assert owner.failed == [(sending(endpoint), "network is unreachable")]
        endpoint.close()

    async def test_an_error_of_an_earlier_datagram_is_not_this_ones(self, make, owner):
        endpoint = make(wrap=Socket)
        endpoint._socket.errors = [OSError(errno.ECONNREFUSED, "Connection refused")]
        endpoint.send(b"1", sending(endpoint))
        assert [data for data, _ in endpoint._socket.sent] == [b"1"]
        await asyncio.sleep(0)
        assert owner.failed == []
        endpoint.close()

    async def test_one_too_large_fails(self, make, owner, peer):
        endpoint = make()
        flow = endpoint.flow_to(LOOPBACK, peer.port)
        endpoint.send(bytes(70_000), flow)
        await owner.until(lambda: owner.failed)
        assert owner.failed == [(flow, "message too long")]
        endpoint.close()

    @pytest.mark.parametrize("host", ["localhost", "slow.example.com", "::1", "", "a b"])
    async def test_nothing_is_looked_up_for_a_peer(self, make, owner, host, monkeypatch):
        endpoint = make(wrap=Socket)
        endpoint.send(b"1", sending(endpoint, host))
        await owner.until(lambda: owner.failed)
        assert endpoint._socket.sent == []
        assert "address" in owner.failed[0][1]
        endpoint.close()


@linux
class TestRoutes:
    """From where a peer is reached may change while a socket is bound to every address."""

    @pytest.fixture
    def routes(self, monkeypatch):
        """Say which of our addresses is used from here on: `routes("10.0.0.1")`."""

        def set_to(address):
            monkeypatch.setattr(udp, "local_address_to", lambda host, *_: address)

        set_to("10.0.0.1")
        return set_to

    async def test_it_is_found_out_once(self, make, routes):
        endpoint = make("0.0.0.0")
        flow = endpoint.flow_to(LOOPBACK, 9)
        routes("10.0.0.2")
        assert endpoint.flow_to(LOOPBACK, 9) is flow
        endpoint.forget((LOOPBACK, 9))
        assert endpoint.flow_to(LOOPBACK, 9).local[0] == "10.0.0.2"
        endpoint.forget((LOOPBACK, 10))  # of which nothing is known
        endpoint.close()

    async def test_anew_where_nothing_can_be_sent(self, make, owner, routes):
        endpoint = make("0.0.0.0", wrap=Socket)
        flow, other = endpoint.flow_to(LOOPBACK, 9), endpoint.flow_to(LOOPBACK, 10)
        routes("10.0.0.2")
        endpoint._socket.errors = [OSError(errno.ENETUNREACH, "Network is unreachable")] * 2
        endpoint.send(b"x", flow)
        await owner.until(lambda: owner.failed == [(flow, "network is unreachable")])
        assert endpoint.flow_to(LOOPBACK, 9).local[0] == "10.0.0.2"
        assert endpoint.flow_to(LOOPBACK, 10) is other
        endpoint.close()

    @linux
    async def test_anew_where_the_network_says_no(self, make, owner, routes, deaf_port):
        endpoint = make("0.0.0.0")
        flow = endpoint.flow_to(LOOPBACK, deaf_port)
        routes("10.0.0.2")
        endpoint.send(b"x", flow)
        await owner.until(lambda: owner.failed)
        assert owner.failed[0][0] == flow
        assert endpoint.flow_to(LOOPBACK, deaf_port).local[0] == "10.0.0.2"
        endpoint.close()


class TestErrorsOfTheNetwork:
    async def test_a_closed_port_fails_the_flow(self, make, owner, deaf_port):
        endpoint = make()
        flow = endpoint.flow_to(LOOPBACK, deaf_port)
        endpoint.send(b"1", flow)
        await owner.until(lambda: owner.failed)
        assert owner.failed == [(flow, "connection refused")]
        endpoint.close()

    async def test_of_ipv6_too(self, make, owner, make_peer):
        endpoint = make("::1")
        with bind_udp("::1", 0) as sock, bind_udp("::1", 0) as other:
            sock.connect(other.getsockname())
            flow = endpoint.flow_to("::1", sock.getsockname()[1])
            endpoint.send(b"1", flow)
            await owner.until(lambda: owner.failed)
        assert owner.failed == [(flow, "connection refused")]
        endpoint.close()

    async def test_others_are_sent_and_heard_meanwhile(self, make, owner, deaf_port, peer):
        endpoint = make()
        bad, good = endpoint.flow_to(LOOPBACK, deaf_port), endpoint.flow_to(LOOPBACK, peer.port)
        peer.send(b"hello", endpoint.address[1])
        for _ in range(20):
            endpoint.send(b"1", bad)
            endpoint.send(b"OPTIONS", good)
        for _ in range(20):
            assert peer.socket.recv(100) == b"OPTIONS"
        await owner.until(lambda: owner.failed and owner.received)
        assert owner.received[0][0] == b"hello"
        assert {flow for flow, _ in owner.failed} == {bad}
        endpoint.close()

    async def test_an_error_that_a_send_has_cleared_is_read(self, make, owner, deaf_port):
        endpoint = make()
        endpoint.send(b"1", endpoint.flow_to(LOOPBACK, deaf_port))
        # As a send does: the error is told, and stays in the queue alone.
        assert endpoint._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        await owner.until(lambda: owner.failed)
        assert len(owner.failed) == 1
        batches = len(owner.batches)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(owner.batches) == batches  # and nothing wakes the loop any more
        endpoint.close()

    async def test_an_error_may_close_the_endpoint(self, make, owner, deaf_port):
        endpoint = make()
        owner.send_failed = lambda flow, reason: (owner.failed.append(reason), endpoint.close())
        for _ in range(3):
            endpoint.send(b"1", endpoint.flow_to(LOOPBACK, deaf_port))
        await owner.until(lambda: owner.failed)
        assert owner.failed == ["connection refused"]

    async def test_an_error_about_where_no_route_leads_any_more(self, make, owner, monkeypatch):
        def nowhere(host, *_):
            raise TransportError("No route leads there.")

        endpoint = make("0.0.0.0")
        with bind_udp(LOOPBACK, 0) as sock, bind_udp(LOOPBACK, 0) as other:
            sock.connect(other.getsockname())
            port = sock.getsockname()[1]
            endpoint.send(b"1", sending(endpoint, LOOPBACK, port))
            monkeypatch.setattr("sipparty.transport.udp.local_address_to", nowhere)
            await owner.until(lambda: owner.failed)
        [(flow, _)] = owner.failed
        assert flow.remote == (LOOPBACK, port)
        endpoint.close()


async def test_the_wire_is_handed_each_message_that_comes(make, owner, peer):
    records = []
    owner.wire.add(records.append)
    endpoint = make()
    peer.send(b"in", endpoint.address[1])
    await owner.until(lambda: owner.received)
    assert [(r.direction, r.data, r.local, r.remote, r.transport) for r in records] == [
        ("received", b"in", endpoint.address, (LOOPBACK, peer.port), "UDP"),
    ]
    endpoint.close()


async def test_what_it_looks_like(make):
    endpoint = make()
    assert repr(endpoint) == f"<UDPEndpoint 127.0.0.1 port {endpoint.address[1]}>"
    endpoint.close()
    assert repr(endpoint).endswith(" closed>")


# ---------------------------------------------------------------- which of our addresses it came to


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone")
class TestArrival:
    """RFC 3581 §4: a response comes from the address that its request went to; a NAT lets nothing
    else through.
    """

    @pytest.fixture
    def make(self, make_party):
        def make(address="0.0.0.0", **options):
            return make_party("bob@biloxi.com").listen(None, address=address, **options)

        return make

    @pytest.mark.parametrize("own", ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    def test_the_answer_comes_from_where_the_request_went(self, make, peer, own):
        bob = make()
        port = bob.contact_uri.port
        for branch in ("z9hG4bKone", "z9hG4bKtwo"):
            peer.request("OPTIONS", "sip:bob@biloxi.com", port, host=own, branch=branch)
            answer = peer.receive("SIP/2.0 200")
            assert peer.source == (own, port)
            assert answer.contact.uri.host.address == own

    def test_of_two_addresses_each_is_answered_from(self, make, peer):
        bob = make()
        port = bob.contact_uri.port
        for own in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            peer.request("OPTIONS", "sip:bob@biloxi.com", port, host=own, branch=f"z9hG4bK{own}")
            peer.receive("SIP/2.0 200")
            assert peer.source[0] == own

    def test_a_request_inside_of_the_call_comes_from_there_too(self, make, peer):
        bob = make()
        port = bob.contact_uri.port
        peer.request("INVITE", "sip:bob@biloxi.com", port, host="127.0.0.2")
        answer = peer.receive("SIP/2.0 200")
        to = ("To", answer._text("to"))
        peer.request(
            *("ACK", "sip:bob@biloxi.com", port, [to, ("CSeq", "1 ACK")]), host="127.0.0.2"
        )
        call = next(iter(bob._agent.dialogs))
        engine = bob.engine
        engine.run(lambda: None)  # the ACK was read
        call.terminate()
        bye = peer.receive("BYE")
        assert peer.source == ("127.0.0.2", port)
        assert bye.via.host == "127.0.0.2"
        peer.answer(bye, 200)
        assert call.wait(5).state == "Terminated"

    def test_what_is_advertised_is_told_all_the_same(self, make, peer):
        bob = make(advertise="203.0.113.7")
        port = bob._endpoints[0].address[1]
        peer.request("OPTIONS", "sip:bob@biloxi.com", port, host="127.0.0.2")
        answer = peer.receive("SIP/2.0 200")
        assert peer.source == ("127.0.0.2", port)
        assert answer.contact.uri.host.address == "203.0.113.7"

    def test_by_ipv6(self, make, make_peer):
        bob, peer = make("::"), make_peer("::1")
        peer.request("OPTIONS", "sip:bob@biloxi.com", bob.contact_uri.port)
        assert peer.receive("SIP/2.0 200").contact.uri.host.address == "::1"

    def test_an_address_that_is_gone_is_sent_from_by_another(self, make, peer):
        bob = make()
        endpoint = bob._endpoints[0]
        bob.engine.run(endpoint._controls.__setitem__, "192.0.2.9", ((0, 8, bytes(12)),))
        gone = Flow("UDP", ("192.0.2.9", 5060), (peer.host, peer.port), endpoint)
        bob.engine.run(endpoint.send, b"SIP/2.0 200 OK\r\n\r\n", gone)
        assert peer.socket.recv(100) == b"SIP/2.0 200 OK\r\n\r\n"

    def test_so_many_are_remembered(self, make, peer, monkeypatch):
        monkeypatch.setattr(UDPEndpoint, "PEERS", 2)
        bob = make()
        port = bob.contact_uri.port
        for own in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"):
            peer.request("OPTIONS", "sip:bob@biloxi.com", port, host=own, branch=f"z9hG4bK{own}")
            peer.receive("SIP/2.0 200")
            assert peer.source[0] == own
        assert len(bob._endpoints[0].recent) == 2

    def test_one_address_is_not_asked_about(self, make):
        bob = make(LOOPBACK)
        assert not bob._endpoints[0]._pktinfo

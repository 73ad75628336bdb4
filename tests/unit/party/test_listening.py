"""Where a party is: what it advertises, what it sends from, several addresses, flows kept open."""

import contextlib
import socket
import sys

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import AlreadyListening, CallUnreachable, ListenError, ParseError, UsageError
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.party.listening import media_addresses
from sipparty.sdp import SessionDescription
from sipparty.sip import Flow, UserAgent
from sipparty.sip.events import FlowConfirmed, FlowLost
from sipparty.transport import KeepAlive, stun

LOOPBACK = "127.0.0.1"
#: Another address of this host, which only it reaches; Linux has the whole of 127.0.0.0/8.
SECOND = "127.0.0.2"
OUTSIDE = "203.0.113.7"
PATIENCE = 10

linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone")


def port_of(party):
    return party.contact_uri.port


def contact(message):
    return message.contact.uri


def hang_up(peer, answer, port):
    """End a call that a peer has made: it does not acknowledge, as its party would."""
    headers = [("To", answer["To"]), ("Call-ID", answer["Call-ID"]), ("CSeq", "2 BYE")]
    headers = [(name, str(value)) for name, value in headers]
    peer.request("BYE", "sip:bob@biloxi.com", port, headers, branch="z9hG4bKbye")
    while "BYE" not in str((done := peer.receive("SIP/2.0")).cseq):
        pass
    assert done.status == 200


# -------------------------------------------------------------------- what is advertised


class TestAdvertised:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (OUTSIDE, "203.0.113.7:{port}"),
            ("203.0.113.7:5070", "203.0.113.7:5070"),
            (" 203.0.113.7:5070 ", "203.0.113.7:5070"),
            ("[2001:db8::1]", "[2001:db8::1]:{port}"),
            ("[2001:db8::1]:5070", "[2001:db8::1]:5070"),
            ("2001:db8::1", "[2001:db8::1]:{port}"),
            ("sip.biloxi.com", "sip.biloxi.com:{port}"),
            ("SIP.biloxi.com:5070", "sip.biloxi.com:5070"),
        ],
    )
    def test_peers_are_told_it_in_via_and_contact(self, make_party, make_peer, text, told):
        six = "::" in text
        peer = make_peer("::1" if six else LOOPBACK)
        bob = make_party("bob@biloxi.com").listen(None, address=peer.host, advertise=text)
        told = told.format(port=port_of(bob))
        peer.request("INVITE", "sip:bob@biloxi.com", port_of(bob))
        assert str(contact(peer.receive("SIP/2.0 200"))) == f"sip:bob@{told}"
        bob.options("peer@example.com", proxy=peer.place)
        options = peer.receive("OPTIONS")
        assert options.via.sent_by == told
        assert str(contact(options)) == f"sip:bob@{told}"
        peer.answer(options, 200)

    @pytest.mark.parametrize(
        "text",
        ["", "x y", "bob@203.0.113.7", "203.0.113.7;lr", "203.0.113.7:99999", "0.0.0.0", "::"],
    )
    def test_what_is_no_host_and_port(self, alice, text):
        with pytest.raises(ParseError, match="expected a host, with or without a port"):
            alice.listen(None, address=LOOPBACK, advertise=text)
        assert not alice.listening

    def test_an_address_of_a_family_that_is_not_listened_on(self, alice):
        with pytest.raises(UsageError, match=r"\[2001:db8::1\] cannot be advertised: it serves no"):
            alice.listen(None, address=LOOPBACK, advertise=(OUTSIDE, "2001:db8::1"))

    def test_each_family_has_its_own(self, make_party, make_peer):
        bob = make_party("bob@biloxi.com").listen(
            None, address=(LOOPBACK, "::1"), advertise=("2001:db8::1", OUTSIDE)
        )
        for host, told in ((LOOPBACK, OUTSIDE), ("::1", "[2001:db8::1]")):
            peer = make_peer(host)
            bob.options("peer@example.com", proxy=peer.place)
            options = peer.receive("OPTIONS")
            assert options.via.sent_by.startswith(f"{told}:")
            peer.answer(options, 200)

    @pytest.mark.parametrize("transport", ["UDP", "TCP"])
    @linux
    def test_a_call_to_what_is_advertised(self, make_party, wire, transport):
        """Bound to every address, told by one: the requests within the call go there."""
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
        bob.listen(None, transport=transport, advertise=SECOND)
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty, engine=bob.engine)
        alice.listen(None, transport=transport, advertise=SECOND)
        records = wire()
        call = alice.invite(f"sip:bob@{LOOPBACK}:{port_of(bob)};transport={transport}").wait(5)
        assert call.remote_target.startswith(f"sip:bob@{SECOND}:{port_of(bob)}")
        (theirs,) = bob.calls
        assert theirs.remote_target.startswith(f"sip:alice@{SECOND}:{port_of(alice)}")
        # Both sides can make an end of it by what they were told.
        assert theirs.terminate().wait(5).state == "Terminated"
        call.waitForStateCondition(lambda state: state == "Terminated", timeout=PATIENCE)
        invite = next(record for record in records if record.data.startswith(b"INVITE"))
        assert invite.local[0] == invite.remote[0] == LOOPBACK  # the trace says how it was
        sdp = SessionDescription.parse(invite.data.partition(b"\r\n\r\n")[2])
        assert sdp.connection.address == SECOND
        assert sdp.origin.address == SECOND

    @pytest.mark.parametrize("kind", [SingleRTPSessionSimplenParty, NoMediaSimpleCallsParty])
    def test_descriptions_name_it_and_media_binds_to_ours(self, make_party, peer, kind):
        bob = make_party("bob@biloxi.com", kind)
        bob.listen(None, address=LOOPBACK, advertise="203.0.113.7:5070")
        offer = (
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            b"m=audio 40000 RTP/AVP 0\r\n"
        )
        headers = [("Content-Type", "application/sdp")]
        peer.request("INVITE", "sip:bob@biloxi.com", port_of(bob), headers, offer)
        response = peer.receive("SIP/2.0 200")
        answer = SessionDescription.parse(response.body)
        assert answer.origin.address == OUTSIDE
        assert (answer.connection or answer.media[0].connection).address == OUTSIDE
        hang_up(peer, response, port_of(bob))

    @linux
    def test_who_sends_from_one_address_is_told_by_it_too(self, make_party, peer):
        """It listens on all of them: what it sends from one goes by another socket."""
        bob = make_party("bob@biloxi.com", local_address=SECOND)
        bob.listen(None, address="0.0.0.0", advertise="203.0.113.7:5070")
        bob.options("peer@example.com", proxy=peer.place)
        options = peer.receive("OPTIONS")
        assert peer.source[0] == SECOND
        assert options.via.sent_by == "203.0.113.7:5070"
        assert str(contact(options)) == "sip:bob@203.0.113.7:5070"
        peer.answer(options, 200)

    @linux
    def test_media_of_a_call_by_a_connection(self, make_party, wire):
        """Datagrams alone are listened for: no port of the outside leads to the connection."""
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
        bob.listen(None, address=LOOPBACK, transport="TCP")
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty)
        alice.listen(None, address=LOOPBACK, advertise=f"{SECOND}:5070")
        records = wire()
        call = alice.invite(bob).wait(5)
        invite = next(record for record in records if record.data.startswith(b"INVITE"))
        (theirs,) = bob.calls
        assert invite.local[0] == LOOPBACK
        assert theirs.remote_target.startswith(f"sip:alice@{LOOPBACK}:{invite.local[1]};")
        sdp = SessionDescription.parse(invite.data.partition(b"\r\n\r\n")[2])
        assert sdp.connection.address == sdp.origin.address == SECOND
        assert call.terminate().wait(5).state == "Terminated"

    def test_the_media_option_goes_before_it(self, make_party, peer):
        bob = make_party(
            "bob@biloxi.com", SingleRTPSessionSimplenParty, media={"public_address": "192.0.2.99"}
        )
        bob.listen(None, address=LOOPBACK, advertise=OUTSIDE)
        peer.request("INVITE", "sip:bob@biloxi.com", port_of(bob))
        response = peer.receive("SIP/2.0 200")
        assert SessionDescription.parse(response.body).connection.address == "192.0.2.99"
        hang_up(peer, response, port_of(bob))

    def test_a_name_is_not_told_of_ipv6_media(self, make_party, make_peer):
        """A name in a c= line is of the family IP4."""
        peer = make_peer("::1")
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
        bob.listen(None, address="::1", advertise="sip.biloxi.com")
        peer.request("INVITE", "sip:bob@biloxi.com", port_of(bob))
        answer = peer.receive("SIP/2.0 200")
        assert contact(answer).address == "sip.biloxi.com"
        assert SessionDescription.parse(answer.body).connection.address == "::1"
        hang_up(peer, answer, port_of(bob))

    def test_requests_for_the_advertised_contact_find_their_party(self, make_party, peer):
        """Two of one name share a socket: their contacts tell them apart."""
        first = make_party("bob@biloxi.com").listen(None, address=LOOPBACK, advertise=OUTSIDE)
        port = port_of(first)
        second = make_party("bob@chicago.com").listen(port, address=LOOPBACK)
        for party, user in ((first, "bob"), (second, "bob~2")):
            party.on_request("MESSAGE", lambda event, party=party: event.incoming.respond(200))
            target = f"sip:{user}@{OUTSIDE}:{port}"
            peer.request("MESSAGE", target, port, branch=f"z9hG4bK{user}")
            assert peer.receive("SIP/2.0").status == 200
        peer.request("MESSAGE", f"sip:bob@192.0.2.1:{port}", port, branch="z9hG4bKnobody")
        assert peer.receive("SIP/2.0").status == 404

    def test_who_shares_a_socket_shares_what_is_advertised(self, make_party, alice):
        bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK, advertise=OUTSIDE)
        with pytest.raises(UsageError, match=rf"UDP {LOOPBACK}:\d+ is advertised as {OUTSIDE}:"):
            alice.listen(port_of(bob), address=LOOPBACK, advertise="192.0.2.1")
        assert not alice.listening
        assert alice.listen(port_of(bob), address=LOOPBACK, advertise=OUTSIDE).listening

    def test_parties_of_this_host_call_each_other_all_the_same(self, make_party, alice):
        bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK, advertise=OUTSIDE)
        assert bob.contact_uri.address == LOOPBACK
        assert alice.options(bob).wait(5).status == 200


# -------------------------------------------------------------------- what is sent from


@linux
class TestLocalAddress:
    @pytest.mark.parametrize("transport", ["UDP", "TCP"])
    def test_who_does_not_listen_sends_from_it(self, make_party, listening, wire, transport):
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
        bob.listen(None, transport=transport)
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty, local_address=SECOND)
        records = wire()
        call = alice.invite(bob).wait(5)
        (theirs,) = bob.calls
        assert theirs.remote_target.startswith(f"sip:alice@{SECOND}:")
        invite = next(record for record in records if record.data.startswith(b"INVITE"))
        assert invite.source[0] == SECOND
        sdp = SessionDescription.parse(invite.data.partition(b"\r\n\r\n")[2])
        assert sdp.connection.address == SECOND
        assert call.terminate().wait(5).state == "Terminated"

    def test_it_may_change(self, alice, peer):
        seen = []
        for address in (None, SECOND, "127.0.0.3", None):
            alice.local_address = address
            assert alice.local_address == address
            alice.options("peer@example.com", proxy=peer.place)
            request = peer.receive("OPTIONS")
            peer.answer(request, 200)
            seen.append(peer.source[0])
            assert request.via.sent_by.startswith(peer.source[0])
        assert seen[:3] == [LOOPBACK, SECOND, "127.0.0.3"]

    def test_listening_takes_it(self, alice):
        alice.local_address = SECOND
        assert alice.listen(None).contact_uri.address == SECOND

    @pytest.mark.parametrize("transport", ["UDP", "TCP"])
    def test_who_listens_on_one_address_sends_from_it(self, make_party, alice, wire, transport):
        bob = make_party("bob@biloxi.com").listen(None, transport=transport)
        alice.listen(None, address=SECOND, transport="UDP")
        records = wire()
        alice.options(bob).wait(5)
        options = next(record for record in records if record.data.startswith(b"OPTIONS"))
        assert options.local[0] == SECOND

    @pytest.mark.parametrize("transport", ["UDP", "TCP"])
    @pytest.mark.parametrize(
        ("address", "text"),
        [
            ("192.0.2.10", "Cannot send from 192.0.2.10: Cannot assign requested address"),
            ("::1", "Cannot send from ::1 to 127.0.0.1: they are of different families"),
        ],
    )
    def test_one_that_will_not_do(self, make_party, listening, transport, address, text):
        alice = make_party("alice@atlanta.com", local_address=address)
        port = port_of(listening())
        with pytest.raises(CallUnreachable, match=text):
            alice.invite(f"sip:bob@{LOOPBACK}:{port};transport={transport}").wait(5)
        # It is not the peer that is down.
        assert not alice.engine.run(lambda: len(alice.engine.hub.resolver.health))

    @pytest.mark.parametrize("address", ["", "localhost", "0.0.0.0", "::", "127.0.0.1:5060"])
    def test_what_is_no_address(self, make_party, alice, address):
        with pytest.raises(ParseError, match="expected one numeric address of this host"):
            make_party("bob@biloxi.com", local_address=address)
        with pytest.raises(ParseError):
            alice.local_address = address
        assert alice.local_address is None

    def test_it_is_kept_as_the_system_writes_it(self, alice):
        alice.local_address = "0:0:0:0:0:0:0:1"
        assert alice.local_address == "::1"

    def test_parties_with_addresses_of_their_own_do_not_share_connections(self, make_party, wire):
        bob = make_party("bob@biloxi.com").listen(None, transport="TCP")
        records = wire()
        for name, address in (("alice", SECOND), ("carol", "127.0.0.3")):
            party = make_party(f"{name}@atlanta.com", local_address=address)
            party.options(bob).wait(5)
        sent = [one for one in records if one.data.startswith(b"OPTIONS")]
        assert {one.local[0] for one in sent if one.direction == "sent"} == {SECOND, "127.0.0.3"}


# -------------------------------------------------------------------- where media binds


@pytest.mark.parametrize(
    ("local_address", "local", "bound", "expected"),
    [
        (None, "192.0.2.1", None, ("192.0.2.1", None)),
        (None, OUTSIDE, "192.0.2.1", ("192.0.2.1", OUTSIDE)),
        (None, "sip.biloxi.com", "192.0.2.1", ("192.0.2.1", "sip.biloxi.com")),
        (None, "sip.biloxi.com", "2001:db8::1", ("2001:db8::1", None)),
        # A connection that is told by the port of the listener.
        (None, "192.0.2.1", "192.0.2.1", ("192.0.2.1", None)),
        # What the party sends from, if the peer is of its family.
        ("192.0.2.10", "192.0.2.1", None, ("192.0.2.10", None)),
        ("192.0.2.10", OUTSIDE, "192.0.2.1", ("192.0.2.10", OUTSIDE)),
        ("192.0.2.10", "2001:db8::1", None, ("2001:db8::1", None)),
    ],
)
def test_where_media_binds_and_what_is_told(make_party, local_address, local, bound, expected):
    party = make_party("bob@biloxi.com", local_address=local_address)
    flow = Flow("UDP", (bound or local, 5060), ("192.0.2.9", 5060))
    agent = UserAgent(party.engine.core, "sip:bob@biloxi.com")
    agent.local_address = party.local_address
    if bound is not None:
        agent.advertise = lambda agent, flow: (local, 5060)
    assert media_addresses(party.engine.hub, agent, flow) == expected


# -------------------------------------------------------------------- several addresses


class TestSeveralAddresses:
    def test_each_call_uses_the_address_of_its_family(self, make_party):
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty)
        bob.listen(None, address=("0.0.0.0", "::"), transport=("UDP", "TCP"))
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty)
        alice.listen(None, address=("::1", LOOPBACK))
        places = bob.engine.run(lambda: [(one.transport, *one.address) for one in bob._endpoints])
        assert [place[:2] for place in places] == [
            ("UDP", "0.0.0.0"),
            ("TCP", "0.0.0.0"),
            ("UDP", "::"),
            ("TCP", "::"),
        ]
        assert bob.contact_uri.address == LOOPBACK
        for transport, bound, port in places:
            host = "[::1]" if ":" in bound else LOOPBACK
            call = alice.invite(f"sip:bob@{host}:{port};transport={transport}").wait(5)
            assert call.remote_target.startswith(f"sip:bob@{host}:{port}")
            (theirs,) = bob.calls
            assert f"@{host}:" in theirs.remote_target
            assert theirs.terminate().wait(5).state == "Terminated"

    def test_all_or_nothing(self, make_party):
        bob = make_party("bob@biloxi.com")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
            other.bind(("::1", 0))
            port = other.getsockname()[1]
            with pytest.raises(ListenError, match=f"::1 port {port}: Address already in use"):
                bob.listen(port, address=(LOOPBACK, "::1"))
            assert not bob.listening
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((LOOPBACK, port))

    def test_a_call_keeps_its_socket_where_listening_again_fails(self, make_party):
        bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK)
        alice = make_party("alice@atlanta.com").listen(None, address=LOOPBACK)
        call = alice.invite(bob).wait(5)
        port, (endpoint,) = port_of(bob), bob._endpoints
        bob.stop_listen()
        with socket.socket() as other:
            other.bind((LOOPBACK, port))
            other.listen()
            with pytest.raises(ListenError, match="Address already in use"):
                bob.listen(port, address=LOOPBACK, transport=("UDP", "TCP"))
        assert not bob.listening
        assert not endpoint.closed
        # It is as it was before: who hangs up is heard, and the socket goes with the call.
        (theirs,) = bob.calls
        assert call.terminate().wait(5).state == "Terminated"
        theirs.waitForStateCondition(lambda state: state == "Terminated", timeout=PATIENCE)
        alice.engine.run(lambda: None)
        assert endpoint.closed

    def test_repetitions_are_one(self, make_party):
        bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK)
        port = port_of(bob)
        bob.stop_listen().listen(port, address=(LOOPBACK, LOOPBACK), transport=("UDP", "udp"))
        assert len(bob._endpoints) == 1
        with pytest.raises(AlreadyListening):
            bob.listen(None)
        assert not bob.stop_listen().listening


# -------------------------------------------------------------------- flows kept open


@pytest.fixture
def fast(monkeypatch):
    """Have what takes half a minute take a moment."""
    monkeypatch.setattr(KeepAlive, "RTO", 0.01)
    monkeypatch.setattr(KeepAlive, "REQUESTS", 3)
    monkeypatch.setattr(KeepAlive, "LAST", 2)


def until(kept, state):
    kept.waitForStateCondition(lambda now: now == state, timeout=PATIENCE)


def reply(peer, mapped=None):
    """Answer the next STUN request that a peer gets; returns it."""
    while True:
        data, source = peer.socket.recvfrom(65535)
        if data[:2] == b"\0\1":
            peer.socket.sendto(stun.answer_to(data, mapped or source), source)
            return source


class TestKeepAlive:
    def test_by_stun_to_the_proxy(self, make_party, peer, events):
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        happened = events(alice, FlowConfirmed, FlowLost)
        kept = alice.keep_alive(interval=0.01)
        source = reply(peer)
        assert happened.next() == FlowConfirmed(alice._agent, peer.place, source)
        assert kept.mapped == source
        assert reply(peer) == source
        reply(peer, mapped=(OUTSIDE, 40000))
        lost = happened.next(FlowLost)
        assert lost.target == peer.place
        assert lost.reason.startswith("our address has changed: ")
        reply(peer, mapped=(OUTSIDE, 40000))
        assert happened.next(FlowConfirmed).mapped == (OUTSIDE, 40000)
        # Requests go where the pings go.
        alice.stop_keep_alive()
        assert kept.state == "Stopped"
        alice.options("peer@example.com")
        data, where = peer.socket.recvfrom(65535)
        while not data.startswith(b"OPTIONS"):
            data, where = peer.socket.recvfrom(65535)
        assert where == source

    def test_a_party_answers_stun(self, make_party, listening, events):
        bob = listening()
        alice = make_party("alice@atlanta.com")
        happened = events(alice, FlowConfirmed)
        kept = alice.keep_alive(bob.contact_uri)
        until(kept, "Kept")
        mapped = happened.next().mapped
        assert mapped == kept.mapped
        assert mapped[0] == LOOPBACK

    @pytest.mark.parametrize("transport", ["TCP", "WS"])
    def test_connections(self, make_party, events, transport):
        bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK, transport=transport)
        alice = make_party("alice@atlanta.com")
        happened = events(alice, FlowConfirmed, FlowLost)
        kept = alice.keep_alive(str(bob.contact_uri), interval=0.05)
        until(kept, "Kept")
        assert happened.next() == FlowConfirmed(alice._agent, kept.target, None)
        until(kept, "Asking")
        until(kept, "Kept")
        flow = kept.flow
        bob.stop_listen()
        assert happened.next().target == kept.target
        assert flow.endpoint.closed
        until(kept, "BackingOff")  # it was looked for at once, and nobody was there
        assert kept.failures == 1

    def test_who_answers_no_stun_gets_empty_lines(self, make_party, peer, fast, monkeypatch):
        monkeypatch.setattr(KeepAlive, "LAST", 40)  # a busy host must not skip a request
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        kept = alice.keep_alive(interval=0.05)
        until(kept, "Plain")
        got = [peer.socket.recvfrom(100)[0] for _ in range(5)]
        assert [data[:2] for data in got[:3]] == [b"\0\1"] * 3
        assert got[3:] == [b"\r\n\r\n"] * 2

    @pytest.mark.parametrize("installed", [False, True])
    def test_without_stun(self, make_party, peer, installed, monkeypatch):
        if not installed:
            monkeypatch.setattr(stun, "_library", lambda: None)
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        kept = alice.keep_alive(stun=False if installed else None)
        assert kept.state == "Plain"
        assert peer.socket.recvfrom(100)[0] == b"\r\n\r\n"
        if not installed:
            with pytest.raises(UsageError, match=r"pip install sipparty\[nat\]"):
                alice.keep_alive(stun=True)

    def test_silence_after_an_answer(self, make_party, peer, fast, events):
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        happened = events(alice, FlowLost)
        kept = alice.keep_alive(interval=0.01)
        reply(peer)
        assert happened.next().reason == "the other side does not answer"
        until(kept, "BackingOff")

    def test_a_port_that_is_closed(self, make_party, deaf_port, events):
        alice = make_party("alice@atlanta.com")
        happened = events(alice, FlowLost)
        kept = alice.keep_alive(f"{LOOPBACK}:{deaf_port}")
        assert happened.next().reason == "connection refused"
        assert kept.state == "BackingOff"

    def test_again_is_instead(self, make_party, peer):
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        first = alice.keep_alive()
        second = alice.keep_alive(peer.place)
        assert first.state == "Stopped"
        assert second.state == "Trying"
        second.stop()
        second.stop()
        assert second.state == "Stopped"

    def test_it_ends_with_the_party_and_with_the_engine(self, make_party, peer):
        with contextlib.closing(Engine()) as engine:
            alice = make_party("alice@atlanta.com", proxy=peer.place, engine=engine)
            carol = make_party("carol@atlanta.com", proxy=peer.place, engine=engine)
            hers, carols = alice.keep_alive(), carol.keep_alive()
            alice.close()
            assert hers.state == "Stopped"
            assert carols.state == "Trying"
        assert carols.state == "Stopped"

    def test_a_socket_that_was_closed_is_looked_for_anew(self, make_party, peer):
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        alice.listen(None, address=LOOPBACK)
        kept = alice.keep_alive(interval=0.05)
        before = reply(peer)
        until(kept, "Kept")
        alice.stop_listen()
        after = reply(peer)
        while after == before:
            after = reply(peer)
        until(kept, "Kept")

    @pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan")])
    def test_wrong_intervals(self, alice, interval):
        with pytest.raises(UsageError, match="in seconds, above 0"):
            alice.keep_alive(LOOPBACK, interval)

    def test_nothing_to_keep_open(self, alice):
        with pytest.raises(UsageError, match="Give a target, or give the party a proxy"):
            alice.keep_alive()
        with pytest.raises(ParseError):
            alice.keep_alive("no such place")
        alice.stop_keep_alive()  # there is none

"""The engine and the network: sockets shared and given back, peers found, and what they send."""

import errno
import logging
import random
import socket
import threading

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import CallUnreachable, ListenError, UsageError
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.party import listening
from sipparty.sip import SimpleCall, Timing
from sipparty.sip.events import CallEnded, CallReceived
from sipparty.transport import Resolver
from sipparty.transport.nameservers import Answered
from sipparty.transport.targets import Answer, RecordType

LOOPBACK = "127.0.0.1"
PATIENCE = 10


@pytest.fixture
def alice(make_party):
    return make_party("alice@atlanta.com")


class TestListening:
    def test_a_port_of_another_program(self, alice):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((LOOPBACK, 0))
            port = other.getsockname()[1]
            with pytest.raises(ListenError, match=f"port {port}: Address already in use"):
                alice.listen(port, address=LOOPBACK)
            assert not alice.listening
            with pytest.raises(ListenError, match="filter takes is in use"):
                alice.listen(None, address=LOOPBACK, port_filter=lambda number: number == port)
        assert alice.listen(port, address=LOOPBACK).contact_uri.port == port

    def test_two_parties_of_one_address_on_one_socket(self, listening, make_party, alice):
        bob = listening()
        port = bob.contact_uri.port
        other = make_party("bob@BILOXI.com")
        with pytest.raises(UsageError, match=r"Another party listens there as bob@biloxi\.com"):
            other.listen(port, address=LOOPBACK)
        assert not other.listening
        assert alice.invite(bob).wait(5).state == "InDialog"
        assert other.listen(None, address=LOOPBACK).listening  # elsewhere it may

    def test_a_socket_is_given_back_with_its_last_party(self, listening, make_party):
        bob = listening()
        port = bob.contact_uri.port
        carol = make_party("carol@chicago.com").listen(port, address=LOOPBACK)
        bob.stop_listen()
        with (
            pytest.raises(OSError, match="in use") as caught,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
        ):
            probe.bind((LOOPBACK, port))
        assert caught.value.errno == errno.EADDRINUSE
        carol.stop_listen()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((LOOPBACK, port))

    @pytest.mark.parametrize(
        ("port", "accepts", "text"),
        [
            (None, lambda number: False, "refuses every port"),
            (5070, lambda number: number != 5070, "port 5070: the port filter refuses it"),
        ],
    )
    def test_a_filter_that_takes_nothing(self, alice, port, accepts, text):
        with pytest.raises(ListenError, match=text):
            alice.listen(port, port_filter=accepts)

    def test_a_filter_does_not_hide_what_is_wrong(self, alice):
        with pytest.raises(ListenError, match=r"192\.0\.2\.1 port \d+: Cannot assign"):
            alice.listen(None, address="192.0.2.1", port_filter=lambda number: True)

    def test_what_a_filter_raises_comes_back(self, alice):
        with pytest.raises(ZeroDivisionError):
            alice.listen(None, port_filter=lambda number: 1 // 0)

    def test_a_filter_is_asked_on_the_callers_thread_once(self, alice):
        """Sixty thousand calls of a user's function held up every call of the engine, and once more
        for each address and transport.
        """
        asked = []

        def takes(number):
            asked.append((number, threading.get_ident()))
            return number % 1000 == 7

        alice.listen(None, address=LOOPBACK, port_filter=takes, transport=("UDP", "TCP"))
        assert {endpoint.address[1] % 1000 for endpoint in alice._endpoints} == {7}
        assert len(asked) == len({number for number, _ in asked}) == 65536 - 1024
        assert {thread for _, thread in asked} == {threading.get_ident()}

    def test_a_filter_is_asked_about_the_port_of_a_transport(self, alice):
        asked = []
        with pytest.raises(ListenError, match="port 5060: the port filter refuses it"):
            alice.listen(port_filter=asked.append, transport="TCP")
        assert asked == [5060]

    @pytest.mark.parametrize(
        ("address", "settings", "warns"),
        [
            ("0.0.0.0", {}, True),
            ("::", {}, True),
            (LOOPBACK, {}, False),
            ("0.0.0.0", {"auto_answer": False}, False),
            ("0.0.0.0", {"authenticator": {"bob": "secret"}}, False),
        ],
    )
    def test_whoever_answers_strangers_is_told_so_once(
        self, make_party, caplog, monkeypatch, address, settings, warns
    ):
        monkeypatch.setattr(listening, "_warned", False)
        for name in ("bob@biloxi.com", "carol@chicago.com"):
            make_party(name).configure(**settings).listen(None, address=address)
        said = [one for one in caplog.records if one.name == "sipparty.party"]
        assert len(said) == warns
        assert all("from anybody who reaches port" in one.getMessage() for one in said)

    def test_a_name_is_no_address_to_listen_on(self, alice):
        with pytest.raises(ListenError, match="expected a numeric address"):
            alice.listen(None, address="localhost")


@pytest.fixture
def named():
    """Make an engine for which the DNS says what is given, by name and type, and nothing else."""
    engines = []

    def make(records):
        async def lookup(question):
            return Answered(Answer(tuple(records.get((question.name, question.type), ()))))

        engines.append(Engine(resolver=Resolver(lookup=lookup, hosts=None)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


class TestReaching:
    def test_a_closed_port_fails_fast(self, alice, deaf_port):
        call = alice.invite("bob@biloxi.com", proxy=f"{LOOPBACK}:{deaf_port}")
        with pytest.raises(
            CallUnreachable, match=f"{LOOPBACK}:{deaf_port} cannot be reached: conn"
        ):
            call.wait(5)
        assert call.state == "Error"

    @pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 70}.com"])
    def test_a_name_that_there_is_not(self, make_party, named, host):
        alice = make_party("alice@atlanta.com", engine=named({}))
        call = alice.invite(f"bob@{host}")
        with pytest.raises(CallUnreachable, match=f"No target found for sip:{host[:20]}"):
            call.wait(PATIENCE)
        exchange = alice.options(f"bob@{host}")
        with pytest.raises(CallUnreachable):
            exchange.wait(PATIENCE)

    def test_a_name(self, make_party, listening, named):
        engine = named({("biloxi.com", RecordType.A): (LOOPBACK,)})
        bob = listening()
        call = make_party("alice@atlanta.com", engine=engine).invite(
            f"bob@biloxi.com:{bob.contact_uri.port}"
        )
        assert call.wait(5).dialog_state.endpoint.family == socket.AF_INET

    def test_of_several_addresses_the_first_that_is_reached(
        self, make_party, listening, named, monkeypatch
    ):
        def local(host, *_):
            if ":" in host:
                raise ListenError("No route leads there.")
            return LOOPBACK

        monkeypatch.setattr("sipparty.transport.udp.local_address_to", local)
        engine = named(
            {
                ("biloxi.com", RecordType.AAAA): ("2001:db8::1",),
                ("biloxi.com", RecordType.A): (LOOPBACK,),
            }
        )
        bob = listening()
        alice = make_party("alice@atlanta.com", engine=engine)
        assert alice.invite(f"bob@biloxi.com:{bob.contact_uri.port}").wait(5).state == "InDialog"

    def test_a_transport_that_there_is_not(self, alice):
        with pytest.raises(CallUnreachable, match="asks for a transport that is not at hand"):
            alice.invite("sip:bob@127.0.0.1;transport=pigeon").wait(5)

    def test_nobody_listens_on_tcp(self, alice, deaf_port):
        with pytest.raises(CallUnreachable, match="refused"):
            alice.invite(f"sip:bob@127.0.0.1:{deaf_port};transport=tcp").wait(5)

    @pytest.mark.parametrize("kind", [NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty])
    def test_ipv6(self, make_party, listening, kind):
        bob = listening(kind=kind, address="::1")
        assert bob.contact_uri.address == "::1" or "::1" in str(bob.contact_uri)
        call = make_party("alice@atlanta.com", kind).invite(bob).wait(5)
        assert call.remote_target.startswith("sip:bob@[::1]:")
        assert call.terminate().wait(5).state == "Terminated"

    def test_both_families(self, make_party, listening):
        four, six = listening("four@biloxi.com"), listening("six@biloxi.com", address="::1")
        alice = make_party("alice@atlanta.com")
        calls = [alice.invite(four).wait(5), alice.invite(six).wait(5)]
        assert [call.dialog_state.endpoint.family for call in calls] == [
            socket.AF_INET,
            socket.AF_INET6,
        ]
        for call in calls:
            assert call.terminate().wait(5).state == "Terminated"


class TestOutside:
    """What comes from the network disturbs nobody."""

    def test_garbage_of_all_kinds(self, listening, alice, peer):
        bob = listening()
        call = alice.invite(bob).wait(5)
        port = bob.contact_uri.port
        chance = random.Random(1)
        bye = f"BYE {call.remote_target} SIP/2.0\r\nCall-ID: {call.call_id}\r\n\r\n".encode()
        request = (
            b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:bob@biloxi.com>\r\n"
            b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        vias = (b"no.such.host.invalid", b"1.2.3.4:99999", b"h:0", b"[::1]:5060", b"h;maddr=::1")
        vias += (b"h;maddr=no.such.host.invalid", b"h;rport=x", b"h;maddr=;received=", b"\xff\xfe")
        garbage = [b"", b"\0", b"\r\n", b"\r\n\r\n", b"\r\n" * 500, b"\xff" * 1500, bye]
        garbage += [b"SIP/2.0 200 OK\r\n\r\n", b"SIP/2.0 200\r\nVia: x\r\nCSeq: 1\r\n\r\n"]
        garbage += [request % via for via in vias]
        garbage += [chance.randbytes(chance.randrange(1400)) for _ in range(100)]
        whole = request % b"1.2.3.4;rport"
        for _ in range(200):
            spoilt = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            garbage.append(bytes(spoilt))
        for data in garbage:
            peer.send(data, port)
        peer.request("OPTIONS", "sip:bob@biloxi.com", port, branch="z9hG4bKlast")
        while peer.receive("SIP/2.0").via.branch != "z9hG4bKlast":
            pass
        assert call.state == "InDialog"
        assert call.terminate().wait(5).state == "Terminated"

    def test_garbage_makes_no_noise(self, listening, peer, caplog):
        bob = listening()
        with caplog.at_level(logging.WARNING):
            for data in (b"garbage", b"INVITE x y\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"):
                peer.send(data, bob.contact_uri.port)
            peer.request("OPTIONS", "sip:bob@biloxi.com", bob.contact_uri.port)
            assert peer.receive("SIP/2.0").status == 200
        assert caplog.records == []

    def test_a_defect_in_a_dialog_of_ones_own_is_logged_and_answered(
        self, make_party, alice, listening, peer, caplog
    ):
        class Broken(SimpleCall):
            def _receive(self, transaction, data):
                raise ZeroDivisionError("ours")

        class BrokenParty(NoMediaSimpleCallsParty):
            ServerDialog = Broken

        bob = listening(kind=BrokenParty)
        call = alice.invite(bob)
        with pytest.raises(Exception, match="500"):
            call.wait(5)
        assert "ZeroDivisionError" in caplog.text
        peer.request("OPTIONS", "sip:bob@biloxi.com", bob.contact_uri.port)
        assert peer.receive("SIP/2.0").status == 200

    def test_one_event_that_fails_keeps_no_other_from_its_way(self, listening, alice, caplog):
        class Odd(NoMediaSimpleCallsParty):
            def event_happened(self, event):
                if isinstance(event, CallReceived):
                    raise ZeroDivisionError("ours")
                super().event_happened(event)

        bob, ended = listening(kind=Odd), threading.Event()
        bob.on(CallEnded, lambda event: ended.set())
        call = alice.invite(bob).wait(5)
        call.terminate().wait(5)
        assert ended.wait(PATIENCE)
        assert "The event CallReceived failed." in caplog.text

    def test_timers_go_on_while_nothing_comes(self, make_party, peer):
        engine = Engine(timing=Timing(t1=0.001, t2=0.004))
        try:
            alice = make_party("alice@atlanta.com", engine=engine)
            exchange = alice.options("bob@biloxi.com", proxy=peer.place)
            with pytest.raises(Exception, match="did not answer"):
                exchange.wait(PATIENCE)
        finally:
            engine.close()
        peer.receive("OPTIONS")
        peer.receive("OPTIONS")  # it was sent again meanwhile

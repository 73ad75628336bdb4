"""When a session hears, where it is, what it keeps, and what it tells its call."""

import asyncio

import pytest

from sipparty.errors import NegotiationError, UsageError
from sipparty.media import (
    DestinationLearnt,
    MediaSession,
    MediaStarted,
    MediaTimedOut,
    MediaUnproven,
    MemorySink,
    MemorySource,
    NoMediaSession,
    RTPSession,
    SourceHeard,
)
from sipparty.media.ports import RTPSocket
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import Goodbye, ReceiverReport, SourceDescription, build_compound
from sipparty.sdp import SessionDescription
from sipparty.sip.policy import Policy
from sipparty.sip.unproven import UnprovenHosts

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 8\r\n"
)


def offer(address="192.0.2.2", port=4000, more=""):
    return (OFFER.format(address=address, port=port) + more).encode()


class Call:
    """The call of a session, as that sees it."""

    name = "the call"

    def __init__(self, signalling="192.0.2.2", **policy):
        self.signalling = signalling
        self.policy = Policy(**policy)
        self.unproven_hosts = UnprovenHosts()
        self.told, self.events = [], []
        self.proven = True

    def behind_nat(self, address):
        return False

    def reaches(self, local, address):
        self.told.append((local, address))
        return address != "192.0.2.66"

    def emit(self, event):
        self.events.append(event)

    def media_timed_out(self, seconds):
        self.told.append(seconds)


@pytest.fixture
def kept_here(monkeypatch):
    """Have nothing leave this host."""
    monkeypatch.setattr(RTPSocket, "send", lambda port, data, address: None)


@pytest.fixture
async def session(clock):
    made = RTPSession(clock=clock)
    made.call = Call()
    made.open(asyncio.get_running_loop(), "127.0.0.1")
    yield made
    made.stop()
    assert made.call is None


# Hearing.


async def test_who_offers_hears_from_then_on(make):
    pair = make(a={"record": MemorySink()}, b={"play": MemorySource(bytes(320 * 50))})
    pair.b.accept(pair.a.answer(pair.b.offer()))  # a has answered, and does not begin yet
    pair.b.start()
    await pair.run(5)
    assert pair.told[pair.a] == []
    assert pair.a.statistics.packets_sent == 0
    pair.a.start()
    assert pair.kinds(pair.a) == [MediaStarted, SourceHeard]
    assert pair.a.statistics.packets_received == 5
    await pair.run(5)
    assert pair.a.statistics.packets_received == 10
    assert pair.a.statistics.lost == 0


async def test_what_came_long_ago_is_not_heard(make):
    pair = make(a={"record": MemorySink()})
    pair.b.accept(pair.a.answer(pair.b.offer()))
    pair.b.start()
    await pair.run(5)
    pair.clock.remove(pair.b.line)
    await pair.run(60)
    pair.a.start()
    assert pair.kinds(pair.a) == [MediaStarted]
    await pair.run(5)
    assert pair.a.statistics.packets_received == 0


async def test_a_handler_may_stop_the_session_when_it_hears_what_came_before(make, clock):
    pair = make()
    pair.b.accept(pair.a.answer(pair.b.offer()))
    pair.b.start()
    await pair.run(5)
    pair.a.emit = lambda event: isinstance(event, SourceHeard) and pair.a.stop()
    pair.a.start()
    assert pair.a not in clock.members
    assert pair.a.local_port is None


# Where it is.


async def test_a_session_that_has_not_begun_moves(session):
    session.play(MemorySource(bytes(3200)))
    first = SessionDescription.parse(session.offer())
    session.advertised = "203.0.113.5"
    assert session.move("127.0.0.2")
    session.rollback()
    with pytest.raises(UsageError, match="no offer of ours"):
        session.accept(offer())  # it answers the other place's
    second = SessionDescription.parse(session.offer())
    assert (str(first.connection), str(second.connection)) == (
        "IN IP4 127.0.0.1",
        "IN IP4 203.0.113.5",
    )
    assert second.media[0].port == session.local_port
    assert not session.played.done
    session.accept(offer())
    session.start()
    assert not session.move("127.0.0.1")
    session.stop()
    assert not session.move("127.0.0.1")


async def test_a_session_that_cannot_move_says_so(clock):
    class Other(NoMediaSession):
        move = MediaSession.move

    assert not Other().move("127.0.0.2")
    assert not RTPSession(clock=clock).move("127.0.0.2")
    silent = NoMediaSession()
    silent.open(None, "127.0.0.1")
    assert silent.move("127.0.0.2")
    assert b"c=IN IP4 127.0.0.2" in silent.answer(offer())


# What it keeps.


async def test_what_it_keeps_is_told(session):
    before = session.size
    session.answer(offer(more="a=x\r\n" * 1000))
    assert session.size == before + len(offer()) + 5000 + 512
    # Each line of media takes something too, though nothing comes of it; one agreement is kept.
    session.answer(offer(more="m=video 0 RTP/AVP 31\r\n" * 10))
    assert session.size == before + len(offer()) + 220 + 11 * 512
    assert NoMediaSession.size == MediaSession.size == 0


async def test_a_long_description_is_not_kept_as_it_was_read(session):
    """Thirty kilobytes of attributes took four hundred."""
    import tracemalloc

    long = offer(more="".join(f"a=attribute{n}:value{n}\r\n" for n in range(1200)))
    session.answer(offer())
    session.start()
    tracemalloc.start()
    try:
        session.answer(long)
        session.start()
        for n in range(40):  # so that no cache has it
            RTPSession.check_offer(offer(port=4000 + n))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4 * len(long)
    assert session.negotiated.remote.value("attribute7") == "value7"


# Its call.


async def test_the_call_says_where_media_may_go(session):
    with pytest.raises(NegotiationError, match=r"192\.0\.2\.66 cannot be where it receives"):
        session.answer(offer("192.0.2.66"))
    assert session.call.told == [("127.0.0.1", "192.0.2.66")]
    session.offer()
    with pytest.raises(NegotiationError, match="cannot be"):
        session.accept(offer("192.0.2.66"))


async def test_the_call_hears_what_becomes_of_it(session, clock, kept_here):
    call = session.call = Call("192.0.2.9", unproven_media=1.0, silent_media=2.0)
    session.answer(offer())
    session.start()
    for _ in range(200):
        clock.tick()
    assert call.told == [2.0]
    assert call.events[1:] == [MediaUnproven(("192.0.2.2", 4000)), MediaTimedOut(2.0)]


async def test_without_a_call_there_are_no_limits(clock, kept_here):
    session = RTPSession(clock=clock)
    session.open(asyncio.get_running_loop(), "127.0.0.1")
    session.answer(offer())
    session.start()
    for _ in range(500):
        clock.tick()
    assert session.statistics.packets_sent == 500
    session.stop()


async def test_how_long_a_stranger_may_be_latched_is_an_option(make):
    pair = make(b={"latch_within": 0.0})
    for session in pair.both:
        session.stop()
    pair = make(a={"public_address": "203.0.113.5"}, b={"latch_within": 0.0})
    pair.agree()
    await pair.run(5)
    assert pair.b.statistics.packets_received == 0
    pair = make(a={"public_address": "203.0.113.5"})
    pair.agree()
    await pair.run(5)
    assert DestinationLearnt in pair.kinds(pair.b)


@pytest.mark.parametrize("port", [7, 1023])
async def test_ports_of_services_are_not_sent_to(session, clock, port):
    session.answer(offer(port=port))
    session.start()
    clock.tick()
    assert session.statistics.packets_sent == 0


async def test_ipv6_addresses_are_the_same_however_they_are_written(clock):
    session = RTPSession(clock=clock)
    try:
        session.open(asyncio.get_running_loop(), "::1")
    except Exception:
        pytest.skip("no IPv6 here")
    session.answer(offer("2001:DB8:0:0::1").replace(b"c=IN IP4", b"c=IN IP6"))
    session.start()
    assert session.line.stream.destination == ("2001:db8::1", 4000)
    session.stop()


async def test_nothing_is_answered_once_it_was_stopped(session):
    session.stop()
    with pytest.raises(UsageError):
        session.answer(offer())


async def test_a_flood_of_events_is_handed_over_in_part(session, kept_here, clock):
    """One that leaves and comes back with each packet."""
    session.answer(offer())
    session.start()
    events, line, there = session.call.events, session.line, ("192.0.2.2", 4000)
    leaving = build_compound(
        [ReceiverReport(77, ()), SourceDescription.cname(77, "bob"), Goodbye((77,))]
    )

    def come_and_go(times):
        for n in range(times):
            for each in (n, n + 1):
                line._receive_rtp(bytes(RTPPacket(0, each, each * 160, 77, b"")), there, clock.now)
            line._receive_rtcp(leaving, there, clock.now)

    come_and_go(1000)
    assert 256 <= len(events) <= 258
    clock.now += 0.1
    events.clear()
    come_and_go(1000)
    assert len(events) == 20


@pytest.mark.parametrize(
    ("more", "ptime"),
    [
        ("a=ptime:20.013\r\n", 20),
        ("a=ptime:0.5\r\n", 20),
        ("a=maxptime:14.7\r\n", 14),
        ("a=maxptime:0.2\r\n", 10),
    ],
)
async def test_a_packet_has_whole_milliseconds(session, kept_here, more, ptime):
    """A clock has times for each length: there would be as many as calls."""
    session.answer(offer(more=more))
    session.start()
    assert session.line.stream.settings.ptime == ptime

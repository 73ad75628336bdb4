"""What RFC 3550, 3611 and 4733 say of one stream beyond the usual packet."""

import dataclasses
from itertools import islice

import pytest

from sipparty import AudioParty, Engine
from sipparty.media.audio_stream import AudioStream
from sipparty.media.codecs import find_codec
from sipparty.media.events import WrongPayloadType
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import ReceiverReport, SenderReport, SourceDescription, parse_rtcp
from sipparty.media.settings import ReceivedFormat, StreamSettings
from sipparty.sdp import SessionDescription

PCMU, L16 = find_codec("PCMU"), find_codec("L16/44100")
LOOPBACK = "127.0.0.1"
THERE = ("192.0.2.2", 5000)
THERE_RTCP = ("192.0.2.2", 5001)
SETTINGS = StreamSettings(
    PCMU, 0, {0: PCMU, 11: L16}, 20, THERE, THERE_RTCP, dtmf_receive={101: 8000}
)


@pytest.fixture
def stream(tokens):
    return AudioStream(SETTINGS, 0.0, tokens, cname="alice")


def hear(stream, count, first=0, payload_type=0, clock=8000):
    """Packets that come in time, in the clock of their payload type."""
    octets = 160 if payload_type == 0 else 1764
    for n in range(first, first + count):
        now = n * 0.02
        packet = RTPPacket(payload_type, n, round(now * clock), 77, bytes(octets))
        stream.receive_rtp(bytes(packet), THERE, now)
        stream.play_frame(now)


def test_jitter_is_in_the_clock_of_what_comes(stream):
    """What is sent has a clock of 8000, what comes one of 44100."""
    hear(stream, 100, payload_type=11, clock=44100)
    assert stream.quality().jitter < 0.0005


def test_another_clock_in_the_midst_is_no_jitter(stream):
    hear(stream, 50)
    hear(stream, 50, 50, payload_type=11, clock=44100)
    hear(stream, 50, 100)
    assert stream.quality().jitter < 0.0005


def test_malformed_telephone_events_are_counted_by_their_reason(stream):
    hear(stream, 5)
    stream.receive_rtp(bytes(RTPPacket(101, 5, 800, 77, b"\x01")), THERE, 0.1)
    assert stream.statistics.ignored == 1
    assert stream.quality().ignored == {"event": 1}
    assert stream.quality().ignored == {"event": 1}  # however often it is asked for


def reports(stream, until, start=0.0):
    """The compound packets that are sent, and when."""
    found = []
    for n in range(round((until - start) * 50)):
        now = start + n * 0.02
        stream.send_frame(None, now)
        found += [(now, parse_rtcp(data)) for data in stream.reports(now)]
    return found


def test_who_has_sent_nothing_lately_is_no_sender(stream):
    """Section 6.4: a sender's report where something was sent since the last one or the one
    before that.
    """
    first = reports(stream, 20.0)
    assert all(isinstance(packets[0], SenderReport) for _, packets in first)
    stream.apply(dataclasses.replace(SETTINGS, sends=False), 20.0)
    later = [type(packets[0]) for _, packets in reports(stream, 80.0, start=20.0)]
    assert later[:2] == [SenderReport, SenderReport]
    assert set(later[2:]) == {ReceiverReport}
    stream.apply(SETTINGS, 80.0)
    assert isinstance(reports(stream, 100.0, start=80.0)[-1][1][0], SenderReport)


@pytest.mark.parametrize("asked", [True, False])
def test_who_only_listens_has_the_round_trip_by_reference_times(tokens, asked):
    """RFC 3611 sections 4.4 and 4.5."""
    xr = frozenset({"rcvr-rtt"} if asked else ())
    listens = dataclasses.replace(SETTINGS, sends=False, xr=xr)
    a = AudioStream(listens, 0.0, tokens, cname="alice", epoch=1e9)
    b = AudioStream(dataclasses.replace(SETTINGS, receives=False), 0.0, tokens, cname="bob")
    way = []
    for n in range(1500):
        now = n * 0.02
        data = b.send_frame(None, now)
        way += [(now + 0.05, a.receive_rtp, data)]
        way += [(now + 0.05, a.receive_rtcp, each) for each in b.reports(now)]
        way += [(now + 0.05, b.receive_rtcp, each) for each in a.reports(now)]
        for at, receive, data in [each for each in way if each[0] <= now]:
            receive(data, THERE, at)
        way = [each for each in way if each[0] > now]
    if asked:
        assert a.quality().round_trip == pytest.approx(0.1, abs=0.001)
    else:
        assert a.quality().round_trip is None


# What comes between an offer and its answer, and after it (RFC 3264 sections 5.1, 8.3.2).

NEW = dataclasses.replace(SETTINGS, codec=L16, payload_type=11, receive={11: L16})


def test_what_was_offered_is_heard_before_the_answer(tokens):
    stream = AudioStream(dataclasses.replace(SETTINGS, receive={0: PCMU}), 0.0, tokens)
    hear(stream, 20)
    stream.expect({11: ReceivedFormat(L16), 0: ReceivedFormat(L16)})
    hear(stream, 20, 20, payload_type=11, clock=44100)
    assert stream.heard_rate == 44100
    stream.apply(NEW, 0.8)
    hear(stream, 20, 40, payload_type=11, clock=44100)
    assert stream.quality().ignored == {}
    assert stream.statistics.late == stream.statistics.lost == 0
    assert not stream.heard_concealed


def test_what_was_on_its_way_when_the_codec_changed_is_heard(stream):
    hear(stream, 20)
    stream.apply(NEW, 0.4)
    hear(stream, 5, 20)
    hear(stream, 20, 25, payload_type=11, clock=44100)
    assert stream.quality().ignored == {}
    assert stream.heard_rate == 44100


def test_a_payload_type_that_means_something_else_begins_anew(stream):
    hear(stream, 20)
    stream.apply(dataclasses.replace(SETTINGS, receive={0: PCMU, 11: find_codec("PCMA")}), 0.4)
    hear(stream, 20, 20, payload_type=11)
    assert stream.heard_rate == 8000
    stream.apply(dataclasses.replace(SETTINGS, receive={0: PCMU}, dtmf_receive={11: 8000}), 0.8)
    assert set(stream.settings.receive) == {0}


async def test_an_offer_of_another_codec_is_heard_before_its_answer(make):
    pair = make(a={"codecs": ("PCMU",)})
    pair.agree()
    await pair.run(10)
    pair.a.update(codecs=("PCMA",))
    answer = pair.b.answer(pair.a.offer())
    pair.b.start()
    await pair.run(10)  # the answer is on its way
    assert pair.b.line.stream.settings.codec.name == "PCMA"
    pair.a.accept(answer)
    pair.a.start()
    await pair.run(10)
    for session in pair.both:
        assert session.quality.ignored == {}
        assert session.quality.packets_received >= 29
        assert WrongPayloadType not in pair.kinds(session)


async def test_the_streams_of_one_session_have_one_name(make):
    """RFC 3550 section 6.5.1."""
    pair = make(a={"more_lines": [{}]}, b={"more_lines": [{}]})
    pair.agree()
    await pair.run(5)
    names = {}
    for session in pair.both:
        for line in session.lines:
            compound = parse_rtcp(line.stream.goodbye(2000.0))
            found = next(one for one in compound if isinstance(one, SourceDescription))
            names.setdefault(session, set()).add(bytes(found)[8:])
    assert [len(each) for each in names.values()] == [1, 1]
    assert len(set.union(*names.values())) == 2


async def test_the_timestamps_of_a_line_go_on_while_it_is_refused(make):
    """RFC 3550 section 5.1: the timestamp is that of the sampling instant."""
    pair = make().agree()
    came = []
    pair.b.line.transport.send = lambda data, address: came.append(RTPPacket.parse(data))
    await pair.run(3)
    offer = SessionDescription.parse(pair.a.offer())
    pair.a.rollback()
    pair.b.answer(bytes(offer).replace(b"m=audio %d" % pair.a.local_port, b"m=audio 0"))
    pair.b.start()
    await pair.run(100)
    pair.b.accept(pair.a.answer(pair.b.offer()))
    pair.b.start()
    await pair.run(2)
    before, after, last = came[2:5]
    assert after.sequence == before.sequence + 1
    assert after.timestamp - before.timestamp == 101 * 160
    assert (after.marker, last.marker) == (True, False)
    assert last.timestamp - after.timestamp == 160


def test_a_call_is_held_resumed_and_changed_on_threads_of_media():
    """Offers and answers are the engine's, packets another thread's."""
    engine = Engine(media_threads=1)
    alice, bob = (AudioParty(f"{user}@{LOOPBACK}", engine=engine) for user in ("alice", "bob"))
    bob.configure(media={"codecs": ("PCMU", "PCMA", "L16/44100")})
    try:
        bob.listen(None, address=LOOPBACK)
        call = alice.invite(bob).wait(10)
        heard = iter(bob.calls[0].wait(10).audio)
        assert next(heard).rate == 8000
        call.hold().wait(10)
        call.resume().wait(10)
        call.update_media(codecs=("L16/44100",)).wait(10)
        assert next(one.rate for one in islice(heard, 500) if one.rate != 8000) == 44100
        assert call.quality.ignored.keys() <= {"hold"}
        call.terminate().wait(10)
    finally:
        engine.close()

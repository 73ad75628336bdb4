import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipparty.media.audio_stream import AudioStream
from sipparty.media.codecs import find_codec
from sipparty.media.events import (
    DestinationLearnt,
    MediaProven,
    MediaTimedOut,
    MediaUnproven,
    RemoteFellSilent,
    RemoteLeft,
    SourceHeard,
    WrongPayloadType,
)
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    SenderReport,
    SourceDescription,
    build_compound,
    parse_rtcp,
)
from sipparty.media.settings import StreamSettings

PCMU = find_codec("PCMU")
PCMA = find_codec("PCMA")
HERE = ("192.0.2.1", 4000)
THERE = ("192.0.2.2", 5000)
THERE_RTCP = ("192.0.2.2", 5001)
BESIDE = ("192.0.2.2", 7000)
ELSEWHERE = ("198.51.100.7", 7000)

SETTINGS = StreamSettings(PCMU, 0, {0: PCMU, 8: PCMA}, 20, THERE, THERE_RTCP)


@pytest.fixture
def stream(tokens):
    return AudioStream(SETTINGS, 0.0, tokens, cname="alice")


def speech(n):
    """A frame that u-law keeps as it is, told from others."""
    codec = PCMU.make()
    return codec.decode(bytes((0x80 + n % 0x70,)) * 160)


def heard(stream, count, first=0, ssrc=77, address=THERE, start=0.0, payload_type=0):
    """Let packets come, each at its time, and play; what was played."""
    codec = PCMU.make()
    out = []
    for n in range(first, first + count):
        packet = RTPPacket(payload_type, n, n * 160, ssrc, codec.encode(speech(n)))
        now = start + (n - first) * 0.02
        stream.receive_rtp(bytes(packet), address, now)
        out.append(stream.play_frame(now))
    return out


def test_the_first_sequence_number_is_in_the_lower_half():
    """RFC 4568 section 6.4: the packet index of SRTP is known whatever is lost of the first."""
    stream = AudioStream(SETTINGS, 0.0, lambda bits: (1 << bits) - 1, cname="alice")
    assert RTPPacket.parse(stream.send_frame(None, 0.0)).sequence == 0x7FFF


def test_frames_become_packets(stream):
    first = RTPPacket.parse(stream.send_frame(speech(1), 0.0))
    second = RTPPacket.parse(stream.send_frame(None, 0.02))
    assert (first.payload_type, first.marker, len(first.payload)) == (0, True, 160)
    assert first.payload == PCMU.make().encode(speech(1))
    assert second.payload == b"\xff" * 160
    assert (second.sequence, second.timestamp) == (first.sequence + 1, first.timestamp + 160)
    assert (stream.statistics.packets_sent, stream.statistics.octets_sent) == (2, 320)


def test_packets_become_frames(stream):
    assert heard(stream, 10) == [None, None, *(speech(n) for n in range(8))]
    assert stream.events.popleft() == SourceHeard(THERE, 77)
    assert not stream.events
    statistics = stream.statistics
    assert (statistics.packets_received, statistics.octets_received, statistics.lost) == (
        10,
        1600,
        0,
    )


def test_the_other_law_is_understood_too(stream):
    codec = PCMA.make()
    for n in range(3):
        stream.receive_rtp(bytes(RTPPacket(8, n, n * 160, 1, codec.encode(speech(5)))), THERE, 0.0)
    assert stream.play_frame(0.05) == codec.decode(codec.encode(speech(5)))


def test_comfort_noise_is_heard_until_audio_comes_again(tokens):
    settings = dataclasses.replace(SETTINGS, cn_receive={13: 8000})
    stream = AudioStream(settings, 0.0, tokens, cname="alice")
    heard(stream, 5)
    noise = RTPPacket(13, 5, 5 * 160, 77, b"\x20")
    stream.receive_rtp(bytes(noise), THERE, 0.1)
    assert all(any(stream.play_frame(0.1 + n * 0.02)) for n in range(20))
    assert not stream.heard_concealed
    assert stream.heard_rate == 8000
    assert stream.statistics.ignored == stream.statistics.lost == 0


def test_ticks_that_were_left_out_are_time_that_passed(stream):
    first = RTPPacket.parse(stream.send_frame(None, 0.0))
    second = RTPPacket.parse(stream.send_frame(None, 0.1, skipped=4))
    assert second.timestamp == first.timestamp + 5 * 160
    assert second.sequence == first.sequence + 1
    assert second.marker


def test_on_hold_nothing_is_sent_and_time_goes_on(stream):
    first = RTPPacket.parse(stream.send_frame(None, 0.0))
    stream.apply(dataclasses.replace(SETTINGS, sends=False), 0.02)
    assert stream.send_frame(speech(1), 0.02) is None
    stream.apply(SETTINGS, 0.04)
    second = RTPPacket.parse(stream.send_frame(None, 0.04))
    assert second.timestamp == first.timestamp + 320
    assert second.marker


def test_what_is_not_wanted_is_not_heard(stream):
    stream.apply(dataclasses.replace(SETTINGS, receives=False), 0.0)
    assert heard(stream, 10) == [None] * 10
    assert stream.statistics.ignored == 10


def test_media_goes_where_it_comes_from(stream):
    assert stream.destination == THERE
    heard(stream, 1, address=ELSEWHERE)
    assert stream.destination == THERE  # a single packet is no source
    heard(stream, 1, first=1, address=ELSEWHERE)
    assert stream.destination == ELSEWHERE
    assert list(stream.events) == [DestinationLearnt(ELSEWHERE, THERE), SourceHeard(ELSEWHERE, 77)]
    # A new signalled address is followed at once; a NAT may serve it as it did the one before.
    stream.apply(dataclasses.replace(SETTINGS, remote=HERE), 1.0)
    assert stream.destination == HERE
    heard(stream, 1, first=2, address=ELSEWHERE, start=1.0)
    assert stream.destination == HERE
    heard(stream, 1, first=3, address=ELSEWHERE, start=2.1)
    assert stream.destination == ELSEWHERE


def test_media_goes_where_it_was_asked_for_if_that_is_wanted(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, symmetric=False)
    heard(stream, 5, address=ELSEWHERE)
    assert stream.destination == THERE


def test_without_an_address_nothing_is_sent_until_media_comes(tokens):
    stream = AudioStream(dataclasses.replace(SETTINGS, remote=None), 0.0, tokens)
    assert stream.send_frame(None, 0.0) is None
    heard(stream, 2)
    assert stream.send_frame(None, 0.02) is not None


def test_what_is_malformed_or_unknown_is_counted(stream):
    stream.receive_rtp(b"\0", THERE, 0.0)
    stream.receive_rtp(b"\x80" * 5, THERE, 0.0)
    stream.receive_rtp(bytes(RTPPacket(96, 0, 0, 1)), THERE, 0.0)
    stream.receive_rtcp(b"\x80" * 5, THERE_RTCP, 0.0)
    assert stream.statistics.ignored == 4


def test_another_source_begins_another_stream(stream):
    heard(stream, 10)
    out = heard(stream, 20, first=30000, ssrc=88, start=0.3)
    # The first packet came before the second made the source valid; the delay is as at the start.
    assert out[-1] == speech(30017)
    assert list(stream.events)[1:] == [SourceHeard(THERE, 88)]
    assert stream.statistics.packets_received == 30


def test_a_sequence_that_begins_anew_is_followed(stream):
    heard(stream, 10)
    out = heard(stream, 10, first=40000, start=0.2)
    assert out[-1] == speech(40007)


# Collisions.


def test_our_own_ssrc_from_the_other_side_makes_us_change_it_once(stream):
    stream.send_frame(None, 0.0)
    ours = stream.ssrc
    stream.receive_rtp(bytes(RTPPacket(0, 1, 1, ours)), BESIDE, 0.1)
    changed = stream.ssrc
    assert changed != ours
    (goodbye,) = stream.reports(0.1)
    assert parse_rtcp(goodbye)[-1] == Goodbye((ours,))
    # It comes back under the new one: our own packets are looped, which no SSRC helps against.
    stream.receive_rtp(bytes(RTPPacket(0, 1, 1, changed)), BESIDE, 0.2)
    assert stream.ssrc == changed
    assert stream.reports(0.2) == []
    assert RTPPacket.parse(stream.send_frame(None, 0.02)).ssrc == changed
    assert stream.statistics.packets_sent == 2


def test_a_collision_in_rtcp_is_one_too(stream):
    ours = stream.ssrc
    data = build_compound([ReceiverReport(ours), SourceDescription.cname(ours, "x")])
    stream.receive_rtcp(data, ELSEWHERE, 0.1)
    assert stream.ssrc == ours  # a stranger's
    stream.receive_rtcp(data, BESIDE, 0.1)
    assert stream.ssrc != ours
    assert stream.reports(0.1) == []  # who was never heard says no goodbye


def test_an_echo_may_be_heard(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, accept_echo=True)
    ours = stream.ssrc
    for n in range(5):
        stream.receive_rtp(stream.send_frame(speech(n), n * 0.02), THERE, n * 0.02)
    assert stream.play_frame(0.1) == speech(0)
    assert stream.ssrc == ours


# Reports.


def reports(stream, until, step=0.02):
    """Everything that is reported up to a time, sending all the while."""
    out = []
    for n in range(round(until / step)):
        stream.send_frame(None, n * step)
        out += [(n * step, each) for each in stream.reports(n * step)]
    return out


def test_reports_are_sent_in_their_time(stream):
    sent = reports(stream, 30.0)
    times = [at for at, _ in sent]
    assert 1.0 < times[0] < 3.1
    assert all(2.0 < b - a < 6.2 for a, b in itertools.pairwise(times))
    report, description = parse_rtcp(sent[-1][1])
    assert isinstance(report, SenderReport)
    assert report.packet_count == round(sent[-1][0] / 0.02) + 1
    assert report.octet_count == 160 * report.packet_count
    assert description == SourceDescription.cname(stream.ssrc, "alice")


def test_a_sender_report_pairs_wallclock_and_stream(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, epoch=816003205.125)
    first = RTPPacket.parse(stream.send_frame(None, 0.0))
    report = parse_rtcp(stream.goodbye(0.5))[0]
    assert report.ntp == 0xB44DB70520000000 + (1 << 31)
    assert report.rtp_timestamp == (first.timestamp + 4000) & 0xFFFFFFFF


def test_who_only_listens_reports_what_it_hears(stream):
    heard(stream, 10)
    stream.receive_rtp(bytes(RTPPacket(0, 14, 14 * 160, 77, b"\xff" * 160)), THERE, 0.28)
    data = next(each for n in range(400) for each in stream.reports(n * 0.02))
    report = parse_rtcp(data)[0]
    assert isinstance(report, ReceiverReport)
    (block,) = report.reports
    assert (block.ssrc, block.cumulative_lost, block.highest_sequence) == (77, 4, 14)


def test_two_streams_measure_the_way_between_them(tokens):
    alice = AudioStream(SETTINGS, 0.0, tokens)
    bob = AudioStream(SETTINGS, 0.0, tokens)
    way = 0.03
    for n in range(1000):
        now = n * 0.02
        if n != 500:
            bob.receive_rtp(alice.send_frame(None, now), THERE, now + way)
        else:
            alice.send_frame(None, now)
        alice.receive_rtp(bob.send_frame(None, now), THERE, now + way)
        for data in alice.reports(now):
            bob.receive_rtcp(data, THERE_RTCP, now + way)
        for data in bob.reports(now):
            alice.receive_rtcp(data, THERE_RTCP, now + way)
    remote = alice.statistics.remote
    assert remote.lost == 1
    assert remote.round_trip_time == pytest.approx(2 * way, abs=0.001)
    assert remote.jitter < 0.001
    assert bob.statistics.lost == 1


def test_a_goodbye_ends_the_stream_of_the_other_side(stream):
    heard(stream, 5)
    stream.events.clear()
    data = build_compound(
        [ReceiverReport(77), SourceDescription.cname(77, "bob"), Goodbye((77,), "gone")]
    )
    stream.receive_rtcp(data, ELSEWHERE, 0.2)  # not from where it is heard
    assert not stream.events
    stream.receive_rtcp(data, THERE_RTCP, 0.2)
    assert stream.events.popleft() == RemoteLeft("gone")


def test_rtcp_goes_where_it_comes_from_too(stream):
    heard(stream, 5)
    data = build_compound([ReceiverReport(77), SourceDescription.cname(77, "bob")])
    stream.receive_rtcp(data, (THERE[0], 9), 0.2)
    assert stream.rtcp_destination == (THERE[0], 9)
    stream.apply(dataclasses.replace(SETTINGS, remote_rtcp=None), 0.3)
    assert stream.rtcp_destination is None
    assert stream.goodbye(0.3) is None
    assert reports(stream, 10) == []


def test_who_was_never_heard_says_no_goodbye(stream):
    assert stream.goodbye(1.0) is None
    stream.send_frame(None, 1.0)
    assert parse_rtcp(stream.goodbye(1.0, "bored"))[-1] == Goodbye((stream.ssrc,), "bored")


# Silence.


def test_silence_of_the_other_side_is_told_and_its_end(stream):
    for n in range(1600):
        stream.play_frame(n * 0.02)
    assert [type(each) for each in stream.events] == [RemoteFellSilent]
    heard(stream, 3, start=33.0)
    assert list(stream.events)[1:] == [SourceHeard(THERE, 77)]
    for n in range(1600):
        stream.play_frame(33.06 + n * 0.02)
    heard(stream, 1, first=3, start=66.0)
    assert [type(each) for each in stream.events] == [
        RemoteFellSilent,
        SourceHeard,
        RemoteFellSilent,
        SourceHeard,
    ]


def test_on_hold_silence_is_as_it_should_be(stream):
    stream.apply(dataclasses.replace(SETTINGS, receives=False), 0.0)
    for n in range(600):
        stream.play_frame(n * 0.02)
    assert not stream.events


# Changes.


def test_the_codec_may_change_in_the_midst(stream):
    heard(stream, 5)
    stream.apply(dataclasses.replace(SETTINGS, codec=PCMA, payload_type=8), 0.1)
    packet = RTPPacket.parse(stream.send_frame(None, 0.1))
    assert (packet.payload_type, packet.payload) == (8, b"\xd5" * 160)
    assert heard(stream, 5, first=5, start=0.1)[-1] == speech(7)  # what waited was not lost


def test_the_packet_time_may_change_in_the_midst(stream):
    heard(stream, 5)
    stream.apply(dataclasses.replace(SETTINGS, ptime=30.0), 0.1)
    assert len(RTPPacket.parse(stream.send_frame(None, 0.1)).payload) == 240
    assert len(stream.play_frame(0.1)) == 480


def test_counts_outlive_the_buffer(stream):
    heard(stream, 5)
    stream.receive_rtp(bytes(RTPPacket(0, 4, 640, 77, b"\xff" * 160)), THERE, 0.09)
    assert stream.statistics.duplicates == 1
    stream.apply(dataclasses.replace(SETTINGS, receive={8: PCMA}), 0.1)
    assert stream.statistics.duplicates == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.binary(max_size=60)), max_size=20))
def test_whatever_comes_nothing_breaks(tokens, datagrams):
    stream = AudioStream(SETTINGS, 0.0, tokens)
    for n, (control, plausible, data) in enumerate(datagrams):
        now = n * 0.02
        if control:
            head = bytes(ReceiverReport(1)) if plausible else b""
            stream.receive_rtcp(head + data, THERE_RTCP, now)
        else:
            head = bytes(RTPPacket(0, n, n * 160, 1)) if plausible else b""
            stream.receive_rtp(head + data, THERE, now)
        stream.send_frame(None, now)
        stream.play_frame(now)
        stream.reports(now)
    stream.drain()
    assert stream.statistics.packets_sent == len(datagrams)


# What is received is counted, played or not (RFC 3550 section A.3).


def lost_in_reports(stream):
    """What the next report says of loss: fraction and total."""
    for n in range(1000):
        for data in stream.reports(100 + n * 0.02):
            (block,) = parse_rtcp(data)[0].reports
            return block.fraction_lost, block.cumulative_lost
    raise AssertionError("Nothing was reported.")


def test_what_comes_while_inactive_is_not_lost(stream):
    heard(stream, 50)
    inactive = dataclasses.replace(SETTINGS, receives=False, sends=False)
    stream.apply(inactive, 1.0)
    heard(stream, 150, first=50, start=1.0)
    stream.apply(SETTINGS, 4.0)
    out = heard(stream, 50, first=200, start=4.0)
    assert stream.statistics.lost == 0
    assert stream.statistics.packets_received == 250
    assert stream.statistics.concealed == 0
    assert lost_in_reports(stream) == (0, 0)
    # What was heard before the hold is not played after it.
    assert out[-1] == speech(247)
    assert speech(49) not in out


@pytest.mark.parametrize("payload_type", [101, 13])
def test_telephone_events_and_comfort_noise_are_not_lost(stream, payload_type):
    heard(stream, 10)
    jitter = stream.statistics.jitter
    for n in range(10, 50):
        # All of one event have the time of its beginning (RFC 4733 section 2.5.1.2).
        packet = RTPPacket(payload_type, n, 1600, 77, b"\x05\x0a\x00\xa0")
        stream.receive_rtp(bytes(packet), THERE, n * 0.02)
        stream.play_frame(n * 0.02)
    assert stream.statistics.jitter == jitter
    heard(stream, 50, first=50, start=1.0)
    assert stream.statistics.lost == 0
    assert stream.statistics.packets_received == 100
    assert stream.statistics.ignored == 40
    assert lost_in_reports(stream) == (0, 0)


def test_what_is_not_understood_makes_no_source(stream):
    heard(stream, 10, payload_type=96)
    assert stream.statistics.packets_received == 0
    assert [type(event) for event in stream.events] == [WrongPayloadType]  # and once


def test_nothing_is_heard_or_told_of_a_source_that_comes_on_hold(stream):
    stream.apply(dataclasses.replace(SETTINGS, receives=False), 0.0)
    heard(stream, 10)
    assert not stream.events
    stream.apply(SETTINGS, 1.0)
    heard(stream, 10, first=10, start=1.0)
    assert list(stream.events) == [SourceHeard(THERE, 77)]


# Sending where nothing comes from.


def sent(stream, start, seconds):
    """How many packets go out in some seconds."""
    frames = (stream.send_frame(None, start + n * 0.02) for n in range(round(seconds / 0.02)))
    return sum(bool(frame) for frame in frames)


def make(tokens, **options):
    return AudioStream(SETTINGS, 0.0, tokens, unproven=5.0, **options)


def test_sending_to_where_nothing_comes_from_stops_and_is_told(tokens):
    stream = make(tokens, signalling="203.0.113.1")
    assert sent(stream, 0.0, 10.0) == 250
    assert list(stream.events) == [MediaUnproven(THERE)]
    assert stream.reports(20.0) == []
    assert stream.goodbye(20.0) is None
    # The same again, by another port of the same host, is not begun anew.
    stream.apply(dataclasses.replace(SETTINGS, remote=(THERE[0], 6000)), 20.0)
    assert sent(stream, 20.0, 1.0) == 0


def test_time_that_nothing_is_sent_in_does_not_count(tokens):
    stream = make(tokens)
    stream.apply(dataclasses.replace(SETTINGS, sends=False), 0.0)
    assert sent(stream, 0.0, 10.0) == 0
    stream.apply(SETTINGS, 10.0)
    assert sent(stream, 10.0, 10.0) == 250


@pytest.mark.parametrize("control", [False, True])
def test_sending_goes_on_once_something_comes_from_there(tokens, control):
    stream = make(tokens, signalling="203.0.113.1")
    sent(stream, 0.0, 10.0)
    before = stream.statistics.packets_sent
    if control:
        report = build_compound([ReceiverReport(77), SourceDescription.cname(77, "bob")])
        stream.receive_rtcp(report, THERE_RTCP, 10.0)
    else:
        heard(stream, 2, start=10.0)
    assert sent(stream, 10.0, 20.0) == 1000
    assert MediaProven(THERE) in stream.events
    assert stream.statistics.packets_sent == before + 1000
    assert stream.goodbye(30.0) is not None


def test_where_the_signalling_comes_from_needs_no_proof(tokens):
    stream = make(tokens, signalling=THERE[0])
    assert sent(stream, 0.0, 60.0) == 3000
    assert not stream.events


def test_many_addresses_get_no_more_than_one(tokens):
    """Each re-INVITE named another host, and each of eight had its own five seconds."""
    stream = make(tokens, signalling="203.0.113.1")
    for n in range(100):
        stream.apply(dataclasses.replace(SETTINGS, remote=(f"198.51.100.{n}", 4000)), n * 0.5)
        sent(stream, n * 0.5, 0.5)
    assert stream.statistics.packets_sent == 250


def test_a_call_that_moves_has_what_is_left(tokens):
    stream = make(tokens, signalling="203.0.113.1")
    assert sent(stream, 0.0, 1.0) == 50
    heard(stream, 2, start=1.0)
    assert sent(stream, 1.0, 100.0) == 5000
    moved = dataclasses.replace(SETTINGS, remote=("198.51.100.1", 4000))
    stream.apply(moved, 101.0)
    assert 50 <= sent(stream, 101.0, 10.0) <= 250


def test_other_payload_types_prove_their_host_and_are_no_source(tokens):
    """A gateway that sends comfort noise, or a telephone event, before anything else."""
    for kind in (13, 101):
        stream = make(tokens, signalling="203.0.113.1")
        heard(stream, 1, address=ELSEWHERE, payload_type=kind)
        assert sent(stream, 0.0, 10.0) == 250
        heard(stream, 1, payload_type=kind)
        assert sent(stream, 10.0, 10.0) == 500
        assert stream.statistics.packets_received == 0
        assert SourceHeard not in map(type, stream.events)


def test_a_call_that_nothing_comes_of_is_told_of_once(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, silent=30.0)
    told = []
    for n in range(5000):
        now = n * 0.02
        stream.play_frame(now)
        told += [(round(now), type(event)) for event in stream.events]
        stream.events.clear()
    assert told == [(10, RemoteFellSilent), (30, MediaTimedOut)]


def test_reports_alone_keep_a_call_and_so_does_a_hold(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, silent=30.0)
    report = build_compound([ReceiverReport(77), SourceDescription.cname(77, "bob")])
    for n in range(10):
        stream.receive_rtcp(report, THERE_RTCP, n * 20.0)
        stream.play_frame(n * 20.0 + 19.0)
    stream.apply(dataclasses.replace(SETTINGS, receives=False), 200.0)
    stream.play_frame(2000.0)
    stream.apply(SETTINGS, 2000.0)
    stream.play_frame(2029.0)
    assert MediaTimedOut not in [type(event) for event in stream.events]
    stream.play_frame(2030.0)
    assert stream.events.pop() == MediaTimedOut(30.0)


def test_one_packet_of_another_source_ends_no_silence(stream):
    heard(stream, 5)
    for n in range(600):
        stream.play_frame(0.1 + n * 0.02)
    kinds = [type(event) for event in stream.events]
    assert kinds == [SourceHeard, RemoteFellSilent]
    stray = RTPPacket(0, 4711, 99, 78, bytes(160))
    stream.receive_rtp(bytes(stray), THERE, 12.2)
    assert [type(event) for event in stream.events] == kinds
    heard(stream, 2, first=4712, ssrc=78, start=12.22)
    assert [type(event) for event in stream.events] == [*kinds, SourceHeard]


#: What may be told of packets: which comes (a step in the sequence), its kind, who sends it, from
#: where, whether something follows the fixed header, and what else happens then.
_ODDITIES = st.fixed_dictionaries(
    {},
    optional={
        "step": st.sampled_from([0, 2, -1, -3, 200]),
        "payload_type": st.sampled_from([8, 101]),
        "ssrc": st.sampled_from([78, 79]),
        "address": st.sampled_from([BESIDE, ELSEWHERE]),
        "csrc": st.just((5,)),
        "short": st.just(True),
        "pause": st.sampled_from([0.5, 11.0]),
        "then": st.sampled_from(["hold", "resume", "goodbye"]),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.none() | _ODDITIES, max_size=60), st.integers(0, 0xFFFF))
def test_the_short_way_does_what_the_long_one_does(story, first):
    def tokens():
        numbers = itertools.count(3)
        return lambda bits: next(numbers) * 0x9E3779B97F4A7C15 % (1 << bits)

    short, long = (AudioStream(SETTINGS, 0.0, tokens(), cname="alice") for _ in range(2))
    now, sequence = 0.0, first
    seen = {short: [], long: []}
    for odd in [None] * 4 + story:
        odd = odd or {}
        now += 0.02 + odd.get("pause", 0.0)
        sequence = (sequence + odd.get("step", 1)) & 0xFFFF
        packet = bytes(
            RTPPacket(
                odd.get("payload_type", 0),
                sequence,
                sequence * 160,
                odd.get("ssrc", 77),
                bytes((sequence & 0x7F,)) * 160,
                csrc=odd.get("csrc", ()),
            )
        )
        name = SourceDescription.cname(77, "bob")
        goodbye = build_compound([ReceiverReport(77, ()), name, Goodbye((77,), None)])
        for stream, out in seen.items():
            if stream is long:
                stream._steady = None
            data = packet[:11] if "short" in odd else packet
            stream.receive_rtp(data, odd.get("address", THERE), now)
            match odd.get("then"):
                case "hold":
                    stream.apply(dataclasses.replace(SETTINGS, receives=False), now)
                case "resume":
                    stream.apply(SETTINGS, now)
                case "goodbye":
                    stream.receive_rtcp(goodbye, THERE_RTCP, now)
            out.append(stream.send_frame(None, now))
            out.append(stream.play_frame(now))
            out.append(stream.reports(now))
            out.append(tuple(stream.events))
            out.append(stream.statistics)
            out.append(stream.destination)
            stream.events.clear()
    assert seen[short] == seen[long]


def test_the_usual_packet_takes_the_short_way(stream, monkeypatch):
    heard(stream, 4)
    monkeypatch.setattr(RTPPacket, "parse", None)
    monkeypatch.setattr(stream, "_receive_unusual", None)
    heard(stream, 200, 4, start=0.08)
    assert stream.statistics.packets_received == 204
    assert stream.statistics.lost == 0


def test_when_to_ask_for_reports_is_known(stream):
    due = stream.reports_at
    assert due > 0
    assert stream.reports(due - 0.001) == []
    assert stream.reports_at == due
    while not stream.reports(stream.reports_at):  # timer reconsideration may put it off
        assert stream.reports_at > due
    assert stream.reports_at > due

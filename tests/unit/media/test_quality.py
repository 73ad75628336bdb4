"""How a stream sounds: what is measured of it, what is reported, and what is news."""

import dataclasses
import random
from collections import Counter, deque

import pytest

from sipparty.errors import UsageError
from sipparty.media import RTPSession
from sipparty.media.audio_stream import AudioStream
from sipparty.media.codecs import CodecType, find_codec
from sipparty.media.events import (
    OneWayAudio,
    QualityChanged,
    RemoteFellSilent,
    WrongPayloadType,
)
from sipparty.media.quality.emodel import mos, r_factor
from sipparty.media.quality.quality import Quality, QualityMeter
from sipparty.media.quality.statistics import MediaStatistics
from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.rtcp import (
    ReceiverReport,
    ReportBlock,
    SourceDescription,
    build_compound,
    parse_rtcp,
)
from sipparty.media.rtp.rtcp_xr import (
    ExtendedReport,
    LastReferences,
    Reference,
    ReferenceTime,
    VoIPMetrics,
)
from sipparty.media.settings import StreamSettings
from sipparty.parties import AudioParty

PCMU = find_codec("PCMU")
THERE, THERE_RTCP = ("192.0.2.2", 5000), ("192.0.2.2", 5001)
STRANGER = ("198.51.100.7", 7000)
SETTINGS = StreamSettings(PCMU, 0, {0: PCMU}, 20, THERE, THERE_RTCP)
FRAME = b"\x80" * 160


@pytest.fixture
def stream(tokens):
    return AudioStream(SETTINGS, 0.0, tokens, cname="alice")


def hear(stream, numbers, missing=(), payload_type=0):
    """Let packets come, each at its time, but for those that are missing; and play."""
    for n in numbers:
        now = n * 0.02
        if n not in missing:
            packet = RTPPacket(payload_type, n, n * 160, 77, FRAME)
            stream.receive_rtp(bytes(packet), THERE, now)
        stream.play_frame(now)


def report(stream, now, *blocks, more=()):
    """An RTCP datagram of the other side comes."""
    packets = [ReceiverReport(77, blocks), SourceDescription.cname(77, "bob"), *more]
    stream.receive_rtcp(build_compound(packets), THERE_RTCP, now)


def kinds(stream, kind):
    return [event for event in stream.events if isinstance(event, kind)]


# What is measured.


def test_a_stream_that_nothing_happens_to_is_as_good_as_can_be(stream):
    hear(stream, range(500))
    quality = stream.quality(500)
    assert (quality.codec, quality.loss, quality.discard_rate) == ("PCMU", 0, 0)
    assert quality.r_factor == pytest.approx(93.2)
    assert quality.mos == pytest.approx(4.41, abs=0.01)
    assert (quality.burst_density, quality.gap_density, quality.concealed) == (0, 0, 0)
    assert (quality.packets_received, quality.packets_sent, quality.late) == (500, 0, 0)
    assert (quality.round_trip, quality.ignored, quality.remote) == (None, {}, None)
    assert 0.02 < quality.delay < 0.2


def test_loss_is_measured_and_scored_as_the_e_model_has_it(stream):
    chance = random.Random(5)
    missing = {n for n in range(20, 1980) if chance.random() < 0.05}
    hear(stream, range(2000), missing)
    quality = stream.quality(2000)
    assert quality.loss == pytest.approx(len(missing) / 2000)
    by_hand = mos(r_factor(quality.loss, quality.delay))
    assert quality.mos == pytest.approx(by_hand, abs=0.1)
    assert quality.gap_density < quality.loss < quality.burst_density
    assert quality.burst_duration > 0.04
    assert quality.gap_duration > quality.burst_duration
    assert quality.concealed > 0.02


def test_losses_on_end_are_worse_than_as_many_apart(tokens):
    scores = []
    for missing in ({n for n in range(50, 1000) if n % 20 == 0}, set(range(500, 548))):
        stream = AudioStream(SETTINGS, 0.0, tokens, cname="alice")
        hear(stream, range(1000), missing)
        quality = stream.quality()
        assert quality.loss == pytest.approx(0.048, abs=0.0015)
        scores.append(quality.mos)
    assert scores[1] < scores[0]


def test_delay_is_that_of_the_way_and_the_buffer(stream):
    hear(stream, range(50))
    before = stream.quality().delay
    stream.send_frame(None, 1.0)
    # A report on a report of ours of two seconds ago, less one that it was kept there.
    block = ReportBlock(stream.ssrc, last_sr=10 * 65536, delay_since_last_sr=65536)
    stream._reports._epoch = 12 - 2_208_988_800 - 1.0
    report(stream, 1.0, block)
    quality = stream.quality()
    assert quality.round_trip == pytest.approx(1.0, abs=0.01)
    assert quality.delay == pytest.approx(before + 0.5, abs=0.01)
    assert quality.mos < 3.1


def test_what_is_ignored_is_counted_by_reason(stream):
    hear(stream, range(10))
    stream.receive_rtp(b"none", THERE, 0.2)
    stream.receive_rtp(bytes(RTPPacket(0, 10, 1600, 5, FRAME)), STRANGER, 0.2)
    stream.receive_rtp(bytes(RTPPacket(0, 10, 1600, stream.ssrc, FRAME)), STRANGER, 0.2)
    stream.receive_rtp(bytes(RTPPacket(111, 10, 1600, 77, FRAME)), THERE, 0.2)
    stream.receive_rtcp(b"\x80\xff\xff\xff", THERE_RTCP, 0.2)
    stream.receive_rtcp(build_compound([ReceiverReport(5), name()]), STRANGER, 0.2)
    broken = bytearray(bytes(ExtendedReport(77, (ReferenceTime(1),))))
    broken[11] = 9
    stream.receive_rtcp(build_compound([ReceiverReport(77), name(77)]) + broken, THERE_RTCP, 0.2)
    ignored = stream.quality().ignored
    assert ignored == {
        "rtp": 1,
        "source": ignored["source"],
        "own": 1,
        "payload_type": 1,
        "rtcp": 1,
        "xr": 1,
    }
    assert ignored["source"] >= 1
    assert stream.statistics.ignored == sum(ignored.values())
    stream.apply(dataclasses.replace(SETTINGS, receives=False), 0.2)
    stream.receive_rtp(bytes(RTPPacket(0, 11, 1760, 77, FRAME)), THERE, 0.22)
    assert stream.quality().ignored["hold"] == 1


def name(ssrc=5):
    return SourceDescription.cname(ssrc, "x")


def test_what_srtp_refuses_is_among_it():
    quality = Quality(ignored={"rtp": 1}).with_line({"replayed": 2, "old": 0}, 3)
    assert quality.ignored == {"rtp": 1, "srtp_replayed": 2}
    assert quality.underruns == 3


# What is reported.


def extended(stream, now):
    """The blocks of extended reports that are sent."""
    return [
        ExtendedReport.read(packet).blocks
        for data in stream.reports(now)
        for packet in parse_rtcp(data)
        if getattr(packet, "type", 0) == 207
    ]


def test_metrics_are_sent_where_they_are_asked_for(stream):
    stream.apply(dataclasses.replace(SETTINGS, xr=frozenset({"voip-metrics"})), 0.0)
    hear(stream, range(500), missing={100, 101, 104})
    ((metrics,),) = extended(stream, 10.0)
    assert isinstance(metrics, VoIPMetrics)
    assert (metrics.ssrc, metrics.gmin) == (77, 16)
    assert metrics.loss == pytest.approx(3 / 500, abs=1 / 256)
    assert metrics.burst_density == pytest.approx(3 / 5, abs=1 / 256)
    assert metrics.burst_duration == pytest.approx(0.1, abs=0.001)
    assert metrics.mos_cq == pytest.approx(stream.quality().mos, abs=0.06)
    assert metrics.absolute_delay == 0.4


def test_metrics_are_not_sent_unasked(stream):
    hear(stream, range(500))
    assert extended(stream, 10.0) == []
    assert stream.reports_at > 10.0  # it was sent, without them


def test_who_asks_how_far_away_it_is_is_told(stream):
    hear(stream, range(20))
    report(stream, 0.5, more=[ExtendedReport(77, (ReferenceTime(0x11112222_33334444),))])
    ((answer,),) = extended(stream, 10.0)
    assert answer == LastReferences((Reference(77, 0x22223333, round(9.5 * 65536)),))
    assert extended(stream, 20.0) == []


def test_an_answer_that_could_not_go_for_a_day_fits_its_field(stream):
    hear(stream, range(20))
    report(stream, 0.5, more=[ExtendedReport(77, (ReferenceTime(0x11112222_33334444),))])
    ((answer,),) = extended(stream, 86400.0)
    assert answer == LastReferences((Reference(77, 0x22223333, 0xFFFFFFFF),))


def test_rtcp_of_who_takes_no_part_is_not_read(stream, monkeypatch):
    """It takes time by its size."""
    monkeypatch.setattr("sipparty.media.rtp.reports.parse_rtcp", None)
    stream.receive_rtcp(bytes(ReceiverReport(77, ())) * 250, STRANGER, 0.0)
    stream.receive_rtcp(b"none", STRANGER, 0.0)
    assert stream.quality().ignored == {"source": 2}


class Growing(Counter):
    """Counts to which a media thread adds while another looks at them."""

    def items(self):
        for reason, count in super().items():
            self[f"{reason}, {count}"] += 1
            yield reason, count


def test_it_is_asked_for_while_packets_are_counted():
    meter = QualityMeter(deque())
    meter.ignored = Growing(rtp=1)
    quality = meter.quality(MediaStatistics(), "PCMU", strays=2)
    assert quality.ignored == {"rtp": 1, "source": 2}
    assert quality.with_line(Growing(replayed=3), 0).ignored["srtp_replayed"] == 3


def test_what_the_other_side_reports_is_kept(stream):
    hear(stream, range(20))
    of_us = VoIPMetrics(stream.ssrc, 0.25, mos_lq=3.1)
    other = VoIPMetrics(1234, 0.5)
    report(stream, 0.5, more=[ExtendedReport(77, (of_us, other))])
    assert stream.quality().remote_metrics == of_us


def test_what_they_lose_is_what_the_encoder_prepares_for(stream):
    expected = []

    class Preparing:
        def encode(self, pcm, /):
            return pcm

        decode = encode
        expect_loss = expected.append

    prepared = CodecType("X", 8000, lambda fmtp: Preparing())
    hear(stream, range(10))
    report(stream, 1.0, ReportBlock(stream.ssrc, fraction_lost=64))
    stream.apply(dataclasses.replace(SETTINGS, codec=prepared), 1.0)
    report(stream, 2.0, ReportBlock(stream.ssrc, fraction_lost=128), ReportBlock(5, 255))
    assert expected == [0.5]


# What is news.


def test_a_payload_type_that_was_not_agreed_on_is_reported_once(stream):
    hear(stream, range(10))
    hear(stream, range(10, 20), payload_type=96)
    hear(stream, range(20, 30), payload_type=97)
    found = kinds(stream, WrongPayloadType)
    assert [event.payload_type for event in found] == [96, 97]
    assert found[0].reason == "The other side sends payload type 96; agreed on was 0."
    for kind in range(98, 127):
        hear(stream, range(30, 31), payload_type=kind)
    assert len(kinds(stream, WrongPayloadType)) == 8


def test_payload_types_of_unknown_hosts_are_no_news(stream):
    stream.receive_rtp(bytes(RTPPacket(96, 1, 1, 5, FRAME)), STRANGER, 0.0)
    assert kinds(stream, WrongPayloadType) == []
    assert stream.quality().ignored == {"payload_type": 1}


def test_who_sends_and_hears_nothing_is_told(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, silence_after=2.0)
    for n in range(200):
        stream.send_frame(None, n * 0.02)
        stream.play_frame(n * 0.02)
    (event,) = kinds(stream, OneWayAudio)
    assert (event.heard, event.reason) == (
        False,
        "101 packets were sent in 2 s, and none has come.",
    )


def test_silence_after_something_was_heard_is_silence(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, silence_after=2.0)
    stream.send_frame(None, 0.0)
    hear(stream, range(200), missing=range(10, 200))
    assert len(kinds(stream, RemoteFellSilent)) == 1
    assert kinds(stream, OneWayAudio) == []


def test_who_is_not_heard_is_told_by_their_reports(stream):
    hear(stream, range(10))
    report(stream, 1.0)
    report(stream, 2.0)
    assert kinds(stream, OneWayAudio) == []  # nothing was sent
    stream.send_frame(None, 2.0)
    report(stream, 2.5)
    stream.send_frame(None, 2.5)
    report(stream, 3.0, ReportBlock(stream.ssrc, fraction_lost=255))
    (event,) = kinds(stream, OneWayAudio)
    assert event.heard
    assert event.reason == "2 packets were sent; the other side reports that none came."
    stream.send_frame(None, 3.0)
    report(stream, 4.0)
    report(stream, 5.0, ReportBlock(stream.ssrc, fraction_lost=10))
    assert len(kinds(stream, OneWayAudio)) == 1
    for now in (6.0, 7.0):
        stream.send_frame(None, now)
        report(stream, now)
    assert len(kinds(stream, OneWayAudio)) == 2


def test_on_hold_reports_without_a_word_of_us_are_as_they_should_be(stream):
    hear(stream, range(10))
    stream.send_frame(None, 0.2)
    report(stream, 1.0, ReportBlock(stream.ssrc, fraction_lost=0))
    for now in range(5, 30, 5):
        report(stream, float(now))
    assert kinds(stream, OneWayAudio) == []


def test_a_quality_below_the_limit_is_told_and_its_end(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, mos_limit=3.5)
    lossy = {n for n in range(1000, 2000) if n % 4 == 0}
    hear(stream, range(3000), missing=lossy)
    bad, good = kinds(stream, QualityChanged)
    assert (bad.good, good.good, bad.limit) == (False, True, 3.5)
    assert bad.mos < 3.5 < good.mos


def test_without_a_limit_nothing_is_told(stream):
    hear(stream, range(1000), missing={n for n in range(1000) if n % 3 == 0})
    assert kinds(stream, QualityChanged) == []


@pytest.mark.parametrize("limit", [0.9, 4.6, "3", True])
def test_a_limit_is_a_score(limit):
    with pytest.raises(UsageError, match=r"mos_limit=.* is no mean opinion score from 1 to 4\.5"):
        RTPSession(mos_limit=limit)


# Of a session.


async def test_a_session_has_it_while_it_lasts_and_afterwards(make):
    pair = make(a={"rtcp_xr": True}).agree()
    await pair.run(20)
    assert pair.a.quality.packets_received > 10
    assert pair.a.quality.mos == pytest.approx(4.41, abs=0.01)
    assert pair.b.line.stream.settings.xr == {"voip-metrics", "rcvr-rtt"}
    assert pair.a.line.stream.settings.xr == frozenset()
    pair.a.stop()
    assert pair.a.quality.packets_received > 10


def test_a_call_has_it_while_it_lasts_and_afterwards():
    with AudioParty("bob@127.0.0.1") as bob, AudioParty("alice@127.0.0.1") as alice:
        bob.listen(port=None)
        call = alice.invite(bob).wait(5)
        assert call.quality.codec == "PCMU"
        call.audio  # noqa: B018 - who reads it may be too slow
        assert call.quality.overruns == 0
        call.terminate()
        call.wait_for("Terminated", 5)
        assert call.quality.codec == "PCMU"

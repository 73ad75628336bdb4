"""The numbers of RFCs, and the limits that protect memory and time."""

import dataclasses

import pytest

from sipparty.errors import UsageError
from sipparty.media import audio_stream, clock, codecs, negotiated, ports, socket_poll
from sipparty.media.negotiated import AudioPreferences
from sipparty.media.playout import comfort_noise, delay, jitter
from sipparty.media.quality.statistics import MediaStatistics
from sipparty.media.rtp import remote, reports, source
from sipparty.media.rtp_session import RTPSession
from sipparty.media.settings import StreamSettings, check_seconds
from sipparty.sdp import Limits, description, grammar, reader

from .test_audio_stream import PCMU, SETTINGS
from .test_negotiated import offer


def test_numbers_of_rfc_3550():
    assert source.MIN_SEQUENTIAL == 2  # section A.1, this one and the next two
    assert source.MAX_DROPOUT == 3000
    assert source.MAX_MISORDER == 100
    assert reports._HEADERS == 20 + 8  # section 6.2: IPv4 and UDP


def test_what_a_peer_can_have_kept():
    assert source.MAX_CANDIDATES == 4
    assert (socket_poll.BATCH, ports.MAX_DATAGRAM, ports.MAX_EARLY) == (32, 2048, 32)
    assert (audio_stream._MAX_CONFLICTS, audio_stream._MAX_EVENTS) == (8, 64)
    assert remote._MAX_REMEMBERED == 16
    assert clock.MAX_CATCH_UP == 3
    assert (delay.BATCH, delay._KEPT) == (32, 12)
    assert (jitter._WAITED, jitter._BRIDGED, comfort_noise.MAX_ORDER) == (0.75, 0.06, 12)
    assert negotiated._FIRST_USER_PORT == 1024  # RFC 6335 section 6


def test_what_a_description_may_cost():
    assert Limits() == Limits(max_bytes=65_536, max_lines=2_048, max_media=64, max_formats=256)
    assert (reader._MAX_FINDINGS, grammar.MAX_DIGITS, description.NO_NAME) == (16, 40, "-")


def test_nothing_is_counted_at_the_beginning():
    counted = dataclasses.asdict(MediaStatistics())
    assert counted.pop("remote") is None
    assert set(counted.values()) == {0}


async def test_what_a_session_says_that_it_keeps(make):
    pair = make()
    assert RTPSession().size == 18_432
    pair.b.answer(offer())
    assert pair.b.size == 18_432 + len(offer()) + 512  # and one m= line


def test_the_length_of_a_frame():
    settings = StreamSettings(PCMU, 0, {0: PCMU}, 30)
    assert (settings.ticks, settings.samples) == (240, 240)
    assert (SETTINGS.ticks, SETTINGS.samples) == (160, 160)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", None])
def test_seconds_are_a_finite_number_above_0(value):
    with pytest.raises(UsageError, match="is no finite number of seconds above 0"):
        check_seconds("delay", value)


def test_seconds_may_be_0_where_that_says_something():
    check_seconds("delay", 0, zero=True)
    check_seconds("delay", 0.5)
    check_seconds("delay", 2)
    with pytest.raises(UsageError, match="of at least 0"):
        check_seconds("delay", -0.1, zero=True)


@pytest.mark.parametrize("ptime", [10, 20, 150])
def test_packet_times_that_may_be_asked_for(ptime):
    assert AudioPreferences(ptime=ptime).capability(4000).ptime == ptime


@pytest.mark.parametrize("ptime", [9.9, 150.1])
def test_packet_times_that_may_not(ptime):
    with pytest.raises(UsageError, match="10 to 150 ms of audio, not"):
        AudioPreferences(ptime=ptime)


def test_what_is_asked_for_becomes_a_capability():
    made = AudioPreferences(["PCMA"], 30, "recvonly", rtcp_mux=True, dtmf=False).capability(4000)
    assert [(one.encoding, one.payload_type) for one in made.known_formats] == [("PCMA", 8)]
    assert (made.port, made.direction, made.ptime, made.rtcp_mux) == (4000, "recvonly", 30, True)
    assert AudioPreferences().capability().port == 9


def test_a_codec_is_offered_with_its_parameters(monkeypatch):
    monkeypatch.setattr(codecs, "_types", dict(codecs._types))
    codecs.register(codecs.CodecType("X", 16000, PCMU.make, 99, fmtp="mode=1"))
    wanted = AudioPreferences(["X", "PCMU"], dtmf=False)
    assert [one.fmtp for one in wanted.capability().known_formats] == ["mode=1", None]
    assert [one.payload_type for one in wanted.capability().known_formats] == [99, 0]

import array
import math
import os
import subprocess
import sys

import pytest

from sipparty.errors import UsageError
from sipparty.media import codecs, pcm
from sipparty.media.codecs import CodecType, codec_types, find_codec, register
from sipparty.media.negotiated import AudioPreferences
from sipparty.media.pcm import Resampler, attenuate, loudness, silence


def sine(amplitude, count=8000, frequency=1004.0, rate=8000):
    step = 2 * math.pi * frequency / rate
    return array.array("h", [round(amplitude * math.sin(step * n)) for n in range(count)])


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
@pytest.mark.parametrize("amplitude", [300, 3000, 30000])
def test_the_signal_stands_well_above_the_noise_of_companding(name, amplitude):
    codec = find_codec(name).make("")
    before = sine(amplitude)
    after = array.array("h", codec.decode(codec.encode(before.tobytes())))
    signal = sum(each * each for each in before)
    noise = sum((one - two) ** 2 for one, two in zip(before, after, strict=True))
    # ITU-T G.712 asks for 33 dB and more from 0 to -30 dBm0, for 27 dB at -40.
    assert 10 * math.log10(signal / noise) > (33 if amplitude > 1000 else 26)


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_what_was_companded_once_comes_back_the_same(name):
    codec = find_codec(name).make("")
    every = bytes(range(256))
    once = codec.encode(codec.decode(every))
    assert codec.decode(once) == codec.decode(every)
    assert codec.encode(codec.decode(once)) == once


@pytest.mark.parametrize(
    ("name", "payload"),
    # ITU-T G.711: the octets of silence, and of the greatest values, negative and positive.
    [("PCMU", "ff0080"), ("PCMA", "d52aaa")],
)
def test_the_octets_are_those_of_the_recommendation(name, payload):
    pcm = array.array("h", [0, -32768, 32767]).tobytes()
    assert find_codec(name).make("").encode(pcm) == bytes.fromhex(payload)


def test_frames_of_any_length_pass():
    codec = find_codec("PCMU").make("")
    assert codec.encode(b"") == codec.decode(b"") == b""
    assert len(codec.decode(b"\xff")) == 2


def test_codecs_are_found_by_name_and_clock_rate():
    assert find_codec("pcmu").payload_type == 0
    assert find_codec("PCMA/8000").payload_type == 8
    assert find_codec("PCMA", 8000).payload_type == 8
    assert find_codec("L16/44100").payload_type == 11
    assert find_codec("L16/44100/2").payload_type == 10
    assert find_codec("Opus").rtpmap == "opus/48000/2"
    for name, rate in (("speex", None), ("PCMU/16000", None), ("PCMU", 16000), ("PCMU/8000/2", 0)):
        with pytest.raises(UsageError, match="PCMU/8000, PCMA/8000, G722/8000, opus/48000/2"):
            find_codec(name, rate)


class Linear:
    """L16 (RFC 3551 section 4.5.11): 16-bit samples in network byte order."""

    def __init__(self, fmtp=""):
        self.fmtp = fmtp

    def encode(self, pcm, /):
        samples = array.array("h", pcm)
        if sys.byteorder == "little":
            samples.byteswap()
        return samples.tobytes()

    decode = encode


def test_a_codec_can_be_added_from_outside(monkeypatch):
    monkeypatch.setattr(codecs, "_types", dict(codecs._types))
    before = codec_types()
    added = register(CodecType("LINEAR", 16000, Linear))
    assert find_codec("linear") is added
    assert codec_types() == (*before, added)
    assert (added.sample_rate, added.samples_per_tick, added.rtpmap) == (16000, 1, "LINEAR/16000")
    codec, *rates = added.decoder("mode=1")
    assert codec.decode(codec.encode(b"\x01\x02")) == b"\x01\x02"
    assert (codec.fmtp, rates) == ("mode=1", [16000, 16000])


def test_a_codec_may_have_more_samples_than_ticks_and_channels_on_the_wire():
    assert CodecType("G722", 8000, Linear, 9, 16000).samples_per_tick == 2
    assert CodecType("X", 48000, Linear, channels=2).rtpmap == "X/48000/2"
    with pytest.raises(UsageError, match="multiple"):
        CodecType("X", 8000, Linear, sample_rate=12000)
    with pytest.raises(UsageError, match="at least 1 channel, not 0"):
        CodecType("X", 8000, Linear, channels=0)


def test_a_codec_whose_library_is_missing_names_what_to_install(monkeypatch):
    monkeypatch.setattr(codecs, "_types", dict(codecs._types))
    register(CodecType("GONE", 8000, Linear, available=lambda: False, needs="sipparty[media]"))
    gone = codec_types()[-1]
    for ask in (
        lambda: find_codec("gone"),
        lambda: AudioPreferences(["PCMU", "gone"]),
        lambda: AudioPreferences([gone]),
    ):
        with pytest.raises(UsageError, match=r"GONE needs .* pip install sipparty\[media\]"):
            ask()
    register(CodecType("GONE", 8000, Linear, available=lambda: False))
    with pytest.raises(UsageError, match=r"a library that is not installed\.$"):
        find_codec("gone")


def test_a_packet_has_what_the_codec_can_put_in_it():
    opus = find_codec("opus")
    asked = (10, 20, 30, 50, 70, 150, 5)
    assert [opus.packet_time(one) for one in asked] == [10, 20, 20, 40, 60, 120, 10]
    assert find_codec("PCMU").packet_time(33.5) == 33.5
    assert find_codec("L16/48000").packet_time(20) == 10  # an Ethernet carries no 1920 octets
    assert find_codec("L16/16000").packet_time(40) == 20


def test_importing_media_loads_no_codec():
    loaded = "{'audioop', 'G722', 'numpy', 'av', 'sipparty.media.codecs.g711'} & sys.modules.keys()"
    code = f"import sys, sipparty.media.rtp_session; sys.exit(bool({loaded}))"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


def test_using_a_codec_warns_of_nothing():
    code = "from sipparty.media import find_codec; find_codec('PCMU').make('')"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_linear_audio():
    assert silence(3) == bytes(6)
    loud = sine(10000).tobytes()
    assert loudness(silence(10)) == loudness(b"") == 0
    assert loudness(loud) == pytest.approx(7071, abs=20)
    assert loudness(attenuate(loud, 0.5)) == pytest.approx(3535, abs=20)


RATES = [(8000, 16000), (16000, 8000), (8000, 48000), (48000, 8000), (44100, 8000), (16000, 24000)]


@pytest.fixture(params=["libswresample", "audioop"])
def way(request, monkeypatch):
    """Both ways in which rates are changed."""
    if request.param == "audioop":
        monkeypatch.setattr(pcm, "_filters", lambda: None)
    else:
        pytest.importorskip("av")
    return request.param


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
def test_resampling_in_pieces_is_as_resampling_at_once(way, rate, to_rate):
    audio = sine(10000, rate, 440, rate).tobytes()
    at_once = Resampler(rate, to_rate)
    whole = at_once.convert(audio) + at_once.flush()
    it = Resampler(rate, to_rate)
    assert it.filtered is (way == "libswresample")
    size = 2 * rate // 50
    pieces = [it.convert(audio[n : n + size]) for n in range(0, len(audio), size)]
    assert b"".join([*pieces, it.flush()]) == whole
    # No sample is lost or added, and only the first piece is held back, by the delay.
    assert len(whole) // 2 == pytest.approx(to_rate, abs=max(1, to_rate / rate))
    assert len(pieces[0]) // 2 == pytest.approx(to_rate // 50, abs=20 * max(to_rate / rate, 1))
    assert {len(each) // 2 for each in pieces[1:]} <= {to_rate // 50 - 1, to_rate // 50}
    assert loudness(whole) == pytest.approx(7071, rel=0.02)
    # Another stream may begin, with nothing of the one before.
    assert loudness(it.convert(bytes(size))) == 0


def test_nothing_is_done_where_the_rate_is_the_same():
    it = Resampler(8000, 8000)
    assert (it.convert(b"ab"), it.flush(), it.filtered) == (b"ab", b"", False)
    assert Resampler(8000, 16000).convert(b"") == b""


def test_pieces_may_have_any_length(way):
    audio = sine(10000, 3000, 440, 8000).tobytes()
    whole, it = Resampler(8000, 16000), Resampler(8000, 16000)
    sizes = [2, 14, 1000, 4, 2000, 2980]
    pieces, start = [], 0
    for size in sizes:
        pieces.append(it.convert(audio[start : start + size]))
        start += size
    assert start == len(audio)
    assert b"".join([*pieces, it.flush()]) == whole.convert(audio) + whole.flush()


def test_what_would_be_aliased_is_filtered_out():
    pytest.importorskip("av")
    it = Resampler(16000, 8000)
    heard = it.convert(sine(10000, 16000, 6000, 16000).tobytes()) + it.flush()
    assert loudness(heard[400:-400]) < 7071 / 300  # 50 dB


def test_resamplers_have_no_threads_of_their_own():
    pytest.importorskip("av")
    Resampler(8000, 16000).convert(bytes(320))
    before = len(os.listdir("/proc/self/task"))
    kept = [Resampler(8000, 16000) for _ in range(20)]
    assert all(len(one.convert(bytes(320))) > 400 for one in kept)
    assert len(os.listdir("/proc/self/task")) <= before

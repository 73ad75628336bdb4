"""What holds of each codec: length, level, order, and that no payload breaks it."""

import array
import math
import random
import sys
from operator import mul

import pytest

from sipparty.errors import MediaError
from sipparty.media.codecs import codec_types

EVERY = [pytest.param(one, id=one.rtpmap) for one in codec_types()]


def tone(rate, seconds, frequency=440.0, amplitude=9000):
    step = 2 * math.pi * frequency / rate
    count = round(rate * seconds)
    return array.array("h", [round(amplitude * math.sin(step * n)) for n in range(count)])


def correlation(one, two):
    return sum(map(mul, one, two)) / math.sqrt(
        sum(map(mul, one, one)) * sum(map(mul, two, two)) or 1
    )


def passed_through(codec_type, pcm, milliseconds):
    """What a decoder gives of what an encoder made, in packets of so many milliseconds."""
    encoder, decoder = codec_type.make(""), codec_type.decoder().codec
    size = 2 * codec_type.sample_rate * milliseconds // 1000
    heard = []
    for start in range(0, len(pcm) - size + 1, size):
        payload = encoder.encode(pcm[start : start + size])
        heard.append(decoder.decode(payload))
        assert len(heard[-1]) == size
    return b"".join(heard)


@pytest.mark.parametrize("milliseconds", [10, 20, 40])
@pytest.mark.parametrize("codec_type", EVERY)
def test_a_tone_comes_out_as_it_went_in_as_long_and_as_loud(codec_type, milliseconds):
    rate = codec_type.sample_rate
    sent = tone(rate, 0.4)
    heard = array.array("h", passed_through(codec_type, sent.tobytes(), milliseconds))
    assert len(heard) == len(sent)
    # The codecs delay by less than 10 ms.
    best = max(correlation(sent, heard[lag:]) for lag in range(0, rate // 100, rate // 8000))
    assert best > 0.97
    middle = heard[rate // 10 : rate // 5]
    level = math.sqrt(sum(each * each for each in middle) / len(middle))
    assert level == pytest.approx(9000 / math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("codec_type", EVERY)
def test_octets_of_any_kind_are_decoded_or_refused_with_words(codec_type):
    chance = random.Random(7587)
    decoder = codec_type.make("")
    refused = 0
    for _ in range(3000):
        payload = chance.randbytes(chance.choice((0, 1, 2, 3, 7, 40, 160, 161, 1400)))
        try:
            pcm = decoder.decode(payload)
        except MediaError:
            refused += 1
        else:
            assert len(pcm) % 2 == 0
            assert len(pcm) <= 2 * max(5760, 2 * len(payload))
    # Those to which every octet is a sample take all.
    assert (refused == 0) == (codec_type.name in ("PCMU", "PCMA", "G722"))


@pytest.mark.parametrize("codec_type", EVERY)
def test_format_parameters_of_any_kind_are_taken(codec_type):
    silence = bytes(2 * codec_type.sample_rate // 50)
    for fmtp in (
        "",
        ";;",
        "=",
        "mode=x;y",
        "maxplaybackrate=\u0665",
        "cbr=2; usedtx=yes",
        "é" * 99,
    ):
        assert codec_type.make(fmtp).encode(silence)


def test_l16_is_in_network_byte_order():
    mono, stereo = (find(channels) for channels in (1, 2))
    pcm = array.array("h", [0x0102, -2]).tobytes()
    assert mono.encode(pcm) == b"\x01\x02\xff\xfe"
    assert stereo.encode(pcm) == b"\x01\x02\x01\x02\xff\xfe\xff\xfe"
    assert mono.decode(b"\x01\x02\xff\xfe") == pcm
    # Two channels are mixed.
    assert stereo.decode(b"\x00\x64\x00\x32") == (75).to_bytes(2, sys.byteorder)
    with pytest.raises(
        MediaError, match="6 octets are no whole number of L16 samples on each of 2"
    ):
        stereo.decode(bytes(6))
    with pytest.raises(MediaError, match="3 octets"):
        mono.decode(bytes(3))


def find(channels):
    return next(one for one in codec_types() if (one.name, one.channels) == ("L16", channels)).make(
        ""
    )


def test_g722_takes_a_pair_of_samples_for_an_octet():
    codec = next(one for one in codec_types() if one.name == "G722").make("")
    assert len(codec.encode(bytes(642))) == 160
    assert (codec.encode(b""), codec.decode(b"")) == (b"", b"")


def test_g722_without_its_library_names_what_to_install(monkeypatch):
    from sipparty.media.codecs import g722

    monkeypatch.setitem(sys.modules, "G722", None)
    with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
        g722.G722()

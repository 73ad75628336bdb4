"""Opus over RTP (RFC 7587): what the other side states is kept, what is lost is made up."""

import array
import gc
import math
import random
from functools import cache

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.codecs import find_codec
from sipparty.media.codecs import opus as module
from sipparty.media.codecs.opus import Opus, available, opus

FRAME = 960


@cache
def speech(frames=100, seed=1):
    """Something with a pitch that moves and pauses in it, as speech has."""
    chance = random.Random(seed)
    samples, phase = array.array("h"), 0.0
    for n in range(frames * FRAME):
        if n % 4800 == 0:
            pitch, loud = chance.uniform(90, 240), chance.choice((0.2, 1, 1))
        phase += 2 * math.pi * pitch / 48000
        value = sum(math.sin(k * phase) / k for k in range(1, 12))
        samples.append(round(5000 * loud * value))
    pcm = samples.tobytes()
    return [pcm[n : n + 2 * FRAME] for n in range(0, len(pcm), 2 * FRAME)]


def sent(fmtp="", **settings):
    codec = Opus(fmtp, **settings)
    return [codec.encode(frame) for frame in speech()]


def kilobits(payloads):
    return sum(map(len, payloads)) * 8 / (len(payloads) * 0.02) / 1000


#: The band that the first octet of a packet says (RFC 6716 section 3.1), in Hz.
def band(payload):
    config = payload[0] >> 3
    if config < 12:
        return (4000, 6000, 8000)[config // 4]
    if config < 16:
        return (12000, 20000)[(config - 12) // 2]
    return (4000, 8000, 12000, 20000)[(config - 16) // 4]


@pytest.mark.parametrize(
    ("rate", "widest"),
    [(8000, 4000), (12000, 6000), (16000, 8000), (24000, 12000), (20000, 12000), (48000, 20000)],
)
def test_no_band_is_sent_that_the_other_side_does_not_play(rate, widest):
    payloads = sent(f"maxplaybackrate={rate}")
    assert max(map(band, payloads[5:])) <= widest


def test_without_a_limit_all_of_the_band_is_sent():
    assert max(map(band, sent(bitrate=64000))) == 20000


@pytest.mark.parametrize(
    ("fmtp", "least", "most"),
    [
        ("", 20, 36),
        ("maxaveragebitrate=12000", 6, 14),
        ("maxaveragebitrate=5999", 20, 36),  # out of range: ignored
        ("maxaveragebitrate=99999999", 20, 36),
        ("maxaveragebitrate=-1", 20, 36),
        ("maxplaybackrate=8000", 7, 14),
        ("MaxAverageBitrate=12000 ; stereo=1", 6, 14),
    ],
)
def test_no_more_is_sent_than_the_other_side_takes(fmtp, least, most):
    assert least < kilobits(sent(fmtp)) < most


def test_what_is_asked_for_here_is_sent_unless_there_they_want_less():
    assert 40 < kilobits(sent(bitrate=60000)) < 66
    assert kilobits(sent("maxaveragebitrate=12000", bitrate=60000)) < 14


def test_a_constant_bit_rate_is_one():
    assert len({len(one) for one in sent("cbr=1")}) == 1
    assert len({len(one) for one in sent("cbr=0")}) > 1


@pytest.mark.parametrize(
    ("fmtp", "dtx", "saves"),
    [("usedtx=1", None, True), ("", None, False), ("", True, True), ("usedtx=1", False, False)],
)
def test_silence_is_sent_or_not(fmtp, dtx, saves):
    codec = Opus(fmtp, dtx=dtx)
    payloads = [codec.encode(bytes(2 * FRAME)) for _ in range(50)]
    assert (payloads.count(b"") > 30) is saves
    assert (b"" in payloads) is saves


def apart(one, two):
    a, b = array.array("h", one), array.array("h", two)
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / sum(x * x for x in a)


def lossy(payloads, make_up):
    """How far from what is heard without loss the lost frames are, as a share of their power."""
    whole, decoder = Opus(), Opus()
    complete = [whole.decode(each) for each in payloads]
    errors = []
    for n, payload in enumerate(payloads):
        if n % 7 == 5 and n + 1 < len(payloads):
            made = make_up(decoder, payloads[n + 1])
            assert len(made) == 2 * FRAME
            errors.append(apart(complete[n], made))
        else:
            decoder.decode(payload)
    return sum(errors) / len(errors)


def test_forward_error_correction_brings_back_what_concealment_makes_up():
    payloads = sent("useinbandfec=1", bitrate=32000)
    recovered = lossy(payloads, lambda codec, following: codec.recover(following, FRAME))
    concealed = lossy(payloads, lambda codec, following: codec.conceal(FRAME))
    assert recovered < 0.6 * concealed
    # Without it in the payloads, what is recovered is what would be made up.
    without = sent("useinbandfec=0", bitrate=32000)
    assert lossy(without, lambda codec, following: codec.recover(following, FRAME)) > recovered


def test_error_correction_takes_more_room_the_more_is_lost():
    codec = Opus("useinbandfec=1", bitrate=24000)
    codec.expect_loss(0.4)
    assert codec._fec
    deaf = Opus("", bitrate=24000)
    deaf.expect_loss(0.4)  # the other side would not use it
    payloads = [[one.encode(frame) for frame in speech()] for one in (codec, deaf)]
    error = [lossy(each, lambda c, following: c.recover(following, FRAME)) for each in payloads]
    assert error[0] < 0.6 * error[1]


def test_concealment_has_any_length_and_fades():
    decoder = Opus()
    heard = array.array("h", b"".join(decoder.decode(payload) for payload in sent()))
    assert [len(decoder.conceal(n)) for n in (1, 441, 960, 6000)] == [2, 882, 1920, 12000]
    long = array.array("h", decoder.conceal(48000))
    assert max(map(abs, long)) < 0.5 * max(map(abs, heard))
    assert Opus().conceal(960) == bytes(1920)  # before the first, silence


def test_two_channels_are_mixed_by_the_decoder():
    library = module._library()
    encoder = library.opus_encoder_create(48000, 2, 2049, None)
    pcm = array.array("h", [9000, 0] * FRAME).tobytes()
    payload = bytearray(1000)
    import ctypes

    buffer = ctypes.create_string_buffer(1000)
    for _ in range(5):
        length = library.opus_encode(encoder, pcm, FRAME, buffer, 1000)
        payload = ctypes.string_at(buffer, length)
        heard = Opus().decode(payload)
    library.opus_encoder_destroy(encoder)
    assert payload[0] & 4  # stereo, by RFC 6716 section 3.1
    assert len(heard) == 2 * FRAME


def test_what_is_no_packet_is_refused():
    for payload in (b"", b"\xff", b"\x03\x00"):
        with pytest.raises(MediaError):
            Opus().decode(payload)
        with pytest.raises(MediaError):
            Opus().recover(payload, FRAME)
    with pytest.raises(MediaError, match="not of 15"):
        Opus().encode(bytes(2 * 720))


def test_settings_are_offered_as_parameters():
    assert find_codec("opus").fmtp == "useinbandfec=1"
    assert opus(fec=False).fmtp == ""
    made = opus(
        max_bitrate=20000,
        playback_rate=16000,
        capture_rate=16000,
        stereo=True,
        cbr=True,
        dtx=True,
    )
    assert made.fmtp == (
        "maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=20000;"
        "stereo=1;cbr=1;useinbandfec=1;usedtx=1"
    )
    assert (made.rtpmap, made.payload_type) == ("opus/48000/2", None)
    quiet = opus(bitrate=8000).make("")
    assert kilobits([quiet.encode(frame) for frame in speech()]) < 11


@pytest.mark.parametrize(
    "settings",
    [
        *({"bitrate": 5999}, {"max_bitrate": 510001}, {"playback_rate": 7999}, {"complexity": 11}),
        *({"capture_rate": 96000}, {"bitrate": "24000"}, {"complexity": True}),
    ],
)
def test_settings_out_of_range_are_named(settings):
    ((name, value),) = settings.items()
    with pytest.raises(UsageError, match=f"{name} is .* not {value!r}"):
        opus(**settings)


def test_without_libopus_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "_library", lambda: None)
    assert not available()
    with pytest.raises(MediaError, match=r"pip install sipparty\[media\]"):
        Opus()
    with pytest.raises(UsageError, match=r"pip install sipparty\[media\]"):
        find_codec("opus")


def test_the_library_is_looked_for_where_the_system_has_it_when_no_wheel_does(monkeypatch):
    assert module._places()[0].endswith("so.0") or "libopus" in module._places()[0]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert module._places()[0] == "libopus.so.0"
    monkeypatch.setattr(module, "_places", lambda: ["no-such-library.so"])
    assert module._library.__wrapped__() is None


def test_what_was_made_is_let_go_of(monkeypatch):
    gone = []
    codec = Opus()
    library = codec._library

    class Counting:
        def __getattr__(self, name):
            if name.endswith("destroy"):
                gone.append(name)
            return getattr(library, name)

    codec._library = Counting()
    codec.decode(codec.encode(bytes(2 * FRAME)))
    del codec
    gc.collect()
    assert gone == ["opus_encoder_destroy", "opus_decoder_destroy"]

from array import array
from operator import mul

import pytest

from sipparty.media.pcm import loudness
from sipparty.media.playout.comfort_noise import MAX_ORDER, ComfortNoise, NoiseDescription

from .test_waveform import sine


def correlation(pcm, lag):
    samples = array("h", pcm)
    return sum(map(mul, samples, samples[lag:])) / sum(map(mul, samples, samples))


@pytest.mark.parametrize(
    ("payload", "level", "coefficients"),
    [
        (b"\x00", 0, ()),
        (b"\x7f", 127, ()),
        (b"\xbc", 60, ()),  # the highest bit is not of the level
        (b"", 127, ()),
        (b"\x3c\x7f", 60, (0.0,)),
        (b"\x3c\x00\xfe", 60, (-127 * 258 / 32768, 127 * 258 / 32768)),
        (b"\x3c\xff", 60, (127 * 258 / 32768,)),  # reserved
    ],
)
def test_a_payload_is_a_level_and_coefficients(payload, level, coefficients):
    assert NoiseDescription.parse(payload) == (level, pytest.approx(coefficients))


def test_no_more_coefficients_are_read_than_the_tick_bears():
    assert len(NoiseDescription.parse(bytes(200)).coefficients) == MAX_ORDER == 12


@pytest.mark.parametrize("payload", [b"\x00", b"\x7f", b"\x3c\x00\x7f\xfe\x01", b"\x1e\x80"])
def test_a_description_gives_its_payload_back(payload):
    assert bytes(NoiseDescription.parse(payload)) == payload


def test_what_no_payload_can_have_is_brought_in():
    assert bytes(NoiseDescription(200, (1.5, -1.5))) == b"\x7f\xfe\x00"
    assert bytes(NoiseDescription(-3)) == b"\x00"


def test_audio_is_described_by_its_level():
    square = array("h", [32767, -32768] * 80).tobytes()
    assert NoiseDescription.of(square).level == 0  # section 3.1
    assert NoiseDescription.of(sine(300, 800, amplitude=327.68 * 2**0.5)).level == 40
    assert NoiseDescription.of(bytes(320)) == (127, ())
    assert NoiseDescription.of(b"").level == 127


@pytest.mark.parametrize("level", [20, 40, 60])
@pytest.mark.parametrize("rest", [b"", b"\x20\xa0\x90"])
def test_noise_has_the_level_that_it_says(level, rest):
    it = ComfortNoise()
    assert it.decode(bytes((level,)) + rest) == b""
    noise = b"".join(it.noise(160) for _ in range(50))
    assert len(noise) == 50 * 320
    assert NoiseDescription.of(noise).level == pytest.approx(level, abs=1)


def test_noise_has_the_colour_that_it_says():
    low, high = ComfortNoise(), ComfortNoise()
    low.describe(NoiseDescription(30, (-0.8,)))
    high.describe(NoiseDescription(30, (0.8,)))
    assert correlation(low.noise(4000), 1) == pytest.approx(0.8, abs=0.1)
    assert correlation(high.noise(4000), 1) == pytest.approx(-0.8, abs=0.1)
    white = ComfortNoise()
    white.decode(b"\x1e")
    assert abs(correlation(white.noise(4000), 1)) < 0.1


def test_coloured_audio_comes_back_as_coloured_noise():
    source = ComfortNoise(seed=5)
    source.describe(NoiseDescription(35, (-0.7, 0.4)))
    payload = ComfortNoise(order=2).encode(source.noise(4000))
    assert len(payload) == 3
    level, coefficients = NoiseDescription.parse(payload)
    assert level == pytest.approx(35, abs=1)
    assert coefficients == pytest.approx((-0.7, 0.4), abs=0.1)


def test_the_order_of_a_payload_is_as_asked_for_even_of_silence():
    assert ComfortNoise(order=3).encode(bytes(320)) == b"\x7f\x7f\x7f\x7f"
    assert ComfortNoise().encode(sine(300, 160)) == bytes(
        (NoiseDescription.of(sine(300, 160)).level,)
    )


def test_no_noise_is_silence():
    it = ComfortNoise()
    assert it.noise(160) == bytes(320)
    it.decode(b"\x20")
    assert any(it.noise(160))
    it.decode(b"\x7f")
    assert it.noise(160) == bytes(320)


def test_noise_varies_and_is_the_same_again():
    one, other = ComfortNoise(1), ComfortNoise(1)
    one.decode(b"\x20")
    other.decode(b"\x20")
    first = one.noise(160)
    assert other.noise(160) == first
    assert one.noise(160) != first
    assert len(one.noise(100_000)) == 200_000
    assert loudness(first) > 0

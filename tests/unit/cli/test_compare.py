import random

import pytest

from sipparty.cli.compare import after_codec, compare, trim
from sipparty.cli.melody import RATE, TUNE, melody
from sipparty.media import MemorySource, find_codec

FRAME = 320  # octets in 20 ms


@pytest.fixture(scope="module")
def sent():
    return trim(after_codec(MemorySource(melody(TUNE[:4])), "PCMU"))


def test_the_tune_is_the_same_every_time_and_fit_for_the_telephone():
    pcm = melody()
    assert pcm == melody()
    assert 3 < len(pcm) / 2 / RATE < 6
    samples = memoryview(pcm).cast("h")
    assert 8000 < max(samples) <= 16384


def test_after_codec_is_what_encoding_and_decoding_leave():
    pcm = melody(TUNE[:1])
    codec = find_codec("PCMA").make()
    assert after_codec(MemorySource(pcm), "PCMA") == codec.decode(codec.encode(pcm)) != pcm


def test_after_codec_changes_the_rate():
    assert len(after_codec(MemorySource(bytes(32000), 16000), "PCMU")) == pytest.approx(
        16000, abs=4
    )


@pytest.mark.parametrize(
    ("pcm", "trimmed"),
    [
        (b"", b""),
        (b"\0\0" * 3, b""),
        (b"\0\0\0\x01\0\0", b"\0\x01"),
        (b"\0\0\x01\0\0\0", b"\x01\0"),
    ],
)
def test_trim_cuts_whole_samples(pcm, trimmed):
    assert trim(pcm) == trimmed


@pytest.mark.parametrize("before", [0, 1, 160, 1761])
def test_silence_around_it_does_not_matter(sent, before):
    verdict = compare(bytes(640) + sent, bytes(2 * before) + sent + bytes(999))
    assert (verdict.same, verdict.samples, verdict.offset) == (True, len(sent) // 2, before)


def test_one_wrong_sample_is_found(sent):
    heard = bytearray(sent)
    at = len(sent) // 4 * 2
    heard[at] ^= 0x55
    verdict = compare(sent, bytes(heard))
    assert not verdict.same
    assert verdict.reason == (
        f"1 of {len(sent) // 2} samples differ, the first at {at / 2 / RATE:.3f} s"
    )


def test_missing_samples_are_found(sent):
    verdict = compare(sent, bytes(320) + sent[: -2 * FRAME])
    assert not verdict.same
    assert verdict.reason.startswith(f"{FRAME} of {len(sent) // 2} samples are missing")


def test_pauses_are_told_from_other_differences(sent):
    at = 20 * FRAME
    heard = sent[:at] + bytes(2 * FRAME) + sent[at : 2 * at] + bytes(FRAME) + sent[2 * at :]
    verdict = compare(sent, heard)
    assert not verdict.same
    assert "60 ms of silence put in" in verdict.reason
    assert "at 0.400 s" in verdict.reason


@pytest.mark.parametrize("change", ["repeat", "drop", "swap"])
def test_other_changes_are_no_pauses(sent, change):
    at = 20 * FRAME
    one, two, rest = (
        sent[at : at + FRAME],
        sent[at + FRAME : at + 2 * FRAME],
        sent[at + 2 * FRAME :],
    )
    middle = {"repeat": one + one + two, "drop": two, "swap": two + one}[change]
    verdict = compare(sent, sent[:at] + middle + rest)
    assert not verdict.same
    assert "silence" not in verdict.reason


@pytest.mark.parametrize(
    ("extra_before", "extra_after", "where"),
    [(b"\x10\0", b"", "before"), (b"", b"\x10\0", "after")],
)
def test_anything_else_beside_it_is_found(sent, extra_before, extra_after, where):
    verdict = compare(sent, extra_before + sent + extra_after)
    assert not verdict.same
    assert verdict.reason == f"something else was heard {where} it"


def test_nothing_is_told_apart_from_something_else(sent):
    assert compare(sent, b"").reason == "nothing was heard"
    assert compare(sent, bytes(4000)).reason == "nothing was heard"
    noise = random.Random(1).randbytes(4000)
    assert compare(sent, noise).reason == "none of it was heard"
    assert not compare(bytes(4000), bytes(4000)).same

"""Was it heard as it was said? Recordings laid over what was sent, sample by sample.

Laws:

* What is compared is the content after the codec: G.711 loses some of each sample when it encodes,
  so what ought to be heard is what was sent, encoded and decoded once.
* Silence before and after belongs to the call, not to the clip: it is cut off what was sent, and
  may surround what was heard. Nothing else may: one sample that differs, is missing or is too many
  makes the two different.
* A difference is located: the verdict says where it begins, and how much of it there is.
"""

from __future__ import annotations

from dataclasses import dataclass

from sipparty.media import Source, find_codec
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.sources import Resampled

__all__ = ["Verdict", "after_codec", "compare", "trim"]

#: Samples of a piece that is looked for where the whole is not found: 20 ms of telephone audio.
_PIECE = 160


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing came to.

    Args:
        same: Whether what was sent was heard, sample for sample.
        samples: How many samples were compared: the clip without the silence around it.
        offset: Where it begins in what was heard, in samples; None where none of it was found.
        reason: What differs, as a clause; "" where nothing does.
    """

    same: bool
    samples: int
    offset: int | None
    reason: str = ""


def after_codec(source: Source, codec: str) -> bytes:
    """What a source sounds like after a codec.

    Args:
        source: What is sent; it is read to its end and closed.
        codec: The name of a registered codec.

    Returns:
        16-bit samples in the machine's byte order, at the codec's rate.

    Raises:
        MediaError: The source cannot be read.
        UsageError: No such codec is registered.
    """
    kind = find_codec(codec)
    encoder, decoder = kind.make(), kind.make()
    feed = source if source.rate == kind.sample_rate else Resampled(source, kind.sample_rate)
    heard = bytearray()
    try:
        while pcm := feed.read(_PIECE):
            heard += decoder.decode(encoder.encode(pcm))
    finally:
        feed.close()
    return bytes(heard)


def trim(pcm: bytes) -> bytes:
    """Audio without the silence (samples of 0) before and after it."""
    start = len(pcm) - len(pcm.lstrip(b"\0"))
    end = len(pcm.rstrip(b"\0"))
    return pcm[start - start % SAMPLE_WIDTH : end + end % SAMPLE_WIDTH]


def compare(sent: bytes, heard: bytes, rate: int = 8000) -> Verdict:
    """Look for what was sent in what was heard.

    Args:
        sent: 16-bit samples, after the codec.
        heard: The recording, alike.
        rate: Samples a second, to say where a difference is.
    """
    sent = trim(sent)
    samples = len(sent) // SAMPLE_WIDTH
    if not samples:
        return Verdict(False, 0, None, "there was nothing but silence to be sent")
    offset = _find(sent, heard)
    if offset is not None:
        rest = (
            trim(heard[: offset * SAMPLE_WIDTH]),
            trim(heard[offset * SAMPLE_WIDTH + len(sent) :]),
        )
        if not any(rest):
            return Verdict(True, samples, offset)
        where = "before" if rest[0] else "after"
        return Verdict(False, samples, offset, f"something else was heard {where} it")
    return _explain(sent, heard, rate)


def _find(piece: bytes, heard: bytes) -> int | None:
    """The first sample at which a piece stands in what was heard."""
    at = heard.find(piece)
    while at % SAMPLE_WIDTH and at >= 0:  # between two samples
        at = heard.find(piece, at + 1)
    return at // SAMPLE_WIDTH if at >= 0 else None


def _explain(sent: bytes, heard: bytes, rate: int) -> Verdict:
    """Say where the difference begins."""
    samples = len(sent) // SAMPLE_WIDTH
    if not trim(heard):
        return Verdict(False, samples, None, "nothing was heard")
    paused = _pauses(sent, heard)
    if paused is not None:
        pause, first = paused
        return Verdict(
            False,
            samples,
            None,
            f"all of it was heard, but with {pause / rate * 1000:.0f} ms of silence put in, the"
            f" first at {first / rate:.3f} s",
        )
    begin = None
    step = _PIECE * SAMPLE_WIDTH
    for start in range(0, len(sent), step):
        found = _find(sent[start : start + step], heard)
        if found is not None:
            begin = found - start // SAMPLE_WIDTH
            break
    if begin is None:
        return Verdict(False, samples, None, "none of it was heard")
    laid = heard[max(0, begin) * SAMPLE_WIDTH :]
    over = sent[max(0, -begin) * SAMPLE_WIDTH :]
    pairs = memoryview(over).cast("h"), memoryview(laid[: len(laid) // 2 * 2]).cast("h")
    common = min(len(pairs[0]), len(pairs[1]))
    wrong = [n for n in range(common) if pairs[0][n] != pairs[1][n]]
    missing = samples - common
    first = 0 if begin < 0 else wrong[0] if wrong else common
    parts = []
    if wrong:
        parts.append(f"{len(wrong)} of {samples} samples differ")
    if missing:
        parts.append(f"{missing} of {samples} samples are missing")
    what = " and ".join(parts)
    return Verdict(False, samples, max(0, begin), f"{what}, the first at {first / rate:.3f} s")


def _pauses(sent: bytes, heard: bytes) -> tuple[int, int] | None:
    """Samples of silence put into what was sent, and where first; None where that is not all.

    A sender that stalls leaves out time, not audio (RFC 3550 section 5.1): whole frames of silence.
    """
    piece = _PIECE * SAMPLE_WIDTH
    begin = _find(sent[:piece], heard)
    if begin is None:
        return None
    here, there = 0, begin * SAMPLE_WIDTH
    total, first = 0, None
    while True:
        alike = _common(sent[here:], heard[there:])
        here += alike
        there += alike
        if here == len(sent):
            return None if first is None or trim(heard[there:]) else (total, first)
        gap = 0
        while heard[there + gap : there + gap + piece] == bytes(piece):
            gap += piece
            after = sent[here : here + piece]
            if heard[there + gap : there + gap + len(after)] == after:
                break
        else:
            return None
        first = here // SAMPLE_WIDTH if first is None else first
        total += gap // SAMPLE_WIDTH
        there += gap


def _common(one: bytes, other: bytes) -> int:
    """How many octets two pieces of audio begin alike with, in whole samples."""
    limit = min(len(one), len(other))
    at = next((n for n in range(limit) if one[n] != other[n]), limit)
    return at - at % SAMPLE_WIDTH

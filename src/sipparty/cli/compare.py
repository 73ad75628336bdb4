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
from os.path import commonprefix

from sipparty.media import Source, find_codec
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.media.playing.sources import Resampled

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
    encoder, decoder = kind.make(""), kind.make("")
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
    clip, recording = _characters(trim(sent)), _characters(heard)
    if not clip:
        return Verdict(False, 0, None, "there was nothing but silence to be sent")
    offset = recording.find(clip)
    if offset < 0:
        begin, reason = _explain(clip, recording, rate)
        return Verdict(False, len(clip), begin, reason)
    rest = recording[:offset].strip("\0"), recording[offset + len(clip) :].strip("\0")
    if not any(rest):
        return Verdict(True, len(clip), offset)
    where = "before" if rest[0] else "after"
    return Verdict(False, len(clip), offset, f"something else was heard {where} it")


def _characters(pcm: bytes) -> str:
    """One character a sample, so that searching is that of text."""
    return "".join(map(chr, memoryview(pcm[: len(pcm) // 2 * 2]).cast("H")))


def _explain(sent: str, heard: str, rate: int) -> tuple[int | None, str]:
    """Say where the difference begins: the offset of what was found, and words."""
    if not heard.strip("\0"):
        return None, "nothing was heard"
    pause, first = _pauses(sent, heard)
    if pause:
        return None, (
            f"all of it was heard, but with {pause / rate * 1000:.0f} ms of silence put in, the"
            f" first at {first / rate:.3f} s"
        )
    for start in range(0, len(sent), _PIECE):
        found = heard.find(sent[start : start + _PIECE])
        if found >= 0:
            break
    else:
        return None, "none of it was heard"
    begin = found - start
    pairs = list(zip(sent[max(0, -begin) :], heard[max(0, begin) :], strict=False))
    wrong = [at for at, (one, other) in enumerate(pairs) if one != other]
    missing = len(sent) - len(pairs)
    first = 0 if begin < 0 else wrong[0] if wrong else len(pairs)
    parts = [f"{len(wrong)} of {len(sent)} samples differ"] if wrong else []
    parts += [f"{missing} of {len(sent)} samples are missing"] if missing else []
    return max(0, begin), f"{' and '.join(parts)}, the first at {first / rate:.3f} s"


def _pauses(sent: str, heard: str) -> tuple[int, int]:
    """Samples of silence put into what was sent, and where first; none where that is not all.

    A sender that stalls leaves out time, not audio (RFC 3550 section 5.1): whole frames of silence.
    """
    there, here, total, first = heard.find(sent[:_PIECE]), 0, 0, 0
    while there >= 0:
        alike = len(commonprefix((sent[here:], heard[there:])))  # noqa: RUF071 - of characters
        here, there = here + alike, there + alike
        if here == len(sent):
            return (0, 0) if heard[there:].strip("\0") else (total, first)
        gap = 0
        while heard.startswith("\0" * _PIECE, there + gap):
            gap += _PIECE
            if heard.startswith(sent[here : here + _PIECE], there + gap):
                break
        else:
            break
        first = first if total else here
        total, there = total + gap, there + gap
    return 0, 0

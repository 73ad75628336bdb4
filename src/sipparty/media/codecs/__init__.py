"""Codecs: what turns linear audio into payloads and back, and the register of them.

Laws:

* A `CodecType` describes a codec and makes instances; an `AudioCodec` belongs to one direction of
  one stream, since most codecs keep state.
* A codec is added by `register`ing its type, from this package or from outside it; nothing else has
  to know of it. What is registered under a name replaces what was.
* Listing and finding load no codec; `CodecType.make()` does.

    register(CodecType("L16", 44100, make=LinearCodec, payload_type=11))
    codec = find_codec("PCMU").make()
    payload = codec.encode(pcm)

`clock_rate` counts RTP timestamps and `sample_rate` samples; they differ for G.722, whose clock is
8000 and whose samples are 16000 a second (RFC 3551 section 4.5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sipparty.errors import UsageError
from sipparty.media.codecs import g711

__all__ = ["AudioCodec", "CodecType", "codec_types", "find_codec", "register"]


class AudioCodec(Protocol):
    """One direction of one stream."""

    def encode(self, pcm: bytes, /) -> bytes:
        """The payload for a frame of 16-bit samples in the machine's byte order."""

    def decode(self, payload: bytes, /) -> bytes:
        """The samples that a payload stands for.

        Raises:
            MediaError: The payload is not of this codec.
        """


@dataclass(frozen=True, slots=True)
class CodecType:
    """What a codec is called, and how to make one.

    Args:
        name: The encoding name of its rtpmap; compared without regard to case.
        clock_rate: RTP timestamp ticks a second.
        make: Gives a new codec; called when a stream starts, so it may import what it needs.
        payload_type: Static payload type (RFC 3551 section 6); None for a dynamic one.
        sample_rate: Samples a second; 0, the default, where that is the clock rate. A multiple of
            the clock rate.
        channels: Of the audio. 1 only, so far.
        fmtp: Format parameters to offer it with; "" for none.
    """

    name: str
    clock_rate: int
    make: Callable[[], AudioCodec]
    payload_type: int | None = None
    sample_rate: int = 0
    channels: int = 1
    fmtp: str = ""

    def __post_init__(self) -> None:
        if not self.sample_rate:
            object.__setattr__(self, "sample_rate", self.clock_rate)
        if self.clock_rate <= 0 or self.sample_rate % self.clock_rate:
            raise UsageError(
                f"The sample rate of codec {self.name} has to be a multiple of its clock rate, "
                f"which {self.sample_rate} is not of {self.clock_rate}."
            )
        if self.channels != 1:
            raise UsageError(f"Codec {self.name} has {self.channels} channels; only 1 is possible.")

    @property
    def samples_per_tick(self) -> int:
        """Samples that pass in one tick of the RTP clock."""
        return self.sample_rate // self.clock_rate


_types: dict[tuple[str, int], CodecType] = {}


def register(codec_type: CodecType) -> CodecType:
    """Make a codec known by its name and clock rate; returns it."""
    _types[codec_type.name.upper(), codec_type.clock_rate] = codec_type
    return codec_type


def codec_types() -> tuple[CodecType, ...]:
    """Every codec that is known, in the order they were registered."""
    return tuple(_types.values())


def find_codec(name: str, clock_rate: int | None = None) -> CodecType:
    """The codec of an encoding name.

    Args:
        name: "PCMU"; or "PCMU/8000", as an rtpmap has it.
        clock_rate: Only one of that clock rate; None for the first of the name.

    Raises:
        UsageError: None is known; the message says which are.
    """
    bare, _, rate = name.partition("/")
    if rate.isdecimal() and clock_rate is None:
        clock_rate = int(rate)
    wanted = bare.upper()
    for (known, known_rate), codec_type in _types.items():
        if known == wanted and clock_rate in (None, known_rate):
            return codec_type
    shown = name if clock_rate is None or rate else f"{name}/{clock_rate}"
    known_names = ", ".join(f"{codec.name}/{codec.clock_rate}" for codec in _types.values())
    raise UsageError(f"No codec {shown!r} is registered; there are {known_names}.")


for _name, _payload_type, _make in g711.CODECS:
    register(CodecType(_name, 8000, _make, _payload_type))

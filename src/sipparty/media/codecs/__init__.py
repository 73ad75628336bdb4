"""Codecs: what turns linear audio into payloads and back, and the register of them.

Laws:

* A `CodecType` describes a codec and makes instances; an `AudioCodec` belongs to one direction of
  one stream, since most codecs keep state.
* A codec is added by `register`ing its type, from this package or from outside it; nothing else has
  to know of it. What is registered under a name replaces what was.
* Listing loads no codec; `CodecType.make(fmtp)` does, and `available()` may load its library.
* A codec whose library is not installed is not offered: who asks for it by name gets an error that
  says what to install.
* Audio between codecs and the rest is mono, whatever the channels of the payload.

    register(CodecType("X-CODEC", 16000, make=lambda fmtp: XCodec(fmtp)))
    codec = find_codec("PCMU").make("")
    payload = codec.encode(pcm)

`clock_rate` counts RTP timestamps and `sample_rate` samples; they differ for G.722, whose clock is
8000 and whose samples are 16000 a second (RFC 3551 section 4.5.2).

    name   clock   channels   payload type     library   module
    PCMU    8000   1          0                audioop   g711
    PCMA    8000   1          8                audioop   g711
    G722    8000   1          9                G722      g722
    opus   48000   2          dynamic          libopus   opus
    L16    several 1, 2       10, 11, dynamic            l16
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, NamedTuple, Protocol

from sipparty.errors import UsageError

__all__ = [
    "AudioCodec",
    "CodecType",
    "ConcealingCodec",
    "Decoder",
    "codec_types",
    "find_codec",
    "register",
]


class AudioCodec(Protocol):
    """One direction of one stream.

    It may also have the methods of `ConcealingCodec`, and these, which are asked for by name:

        stateless            True where equal frames have equal payloads, whatever went before
        expect_loss(share)   the other side reports that this share, 0 to 1, of what we send is lost
    """

    def encode(self, pcm: bytes, /) -> bytes:
        """The payload for a frame of 16-bit samples in the machine's byte order; b"" where nothing
        has to be sent for it (discontinuous transmission).
        """

    def decode(self, payload: bytes, /) -> bytes:
        """The samples that a payload stands for.

        Raises:
            MediaError: The payload is not of this codec.
        """


class ConcealingCodec(AudioCodec, Protocol):
    """A codec that knows what to play for what was lost."""

    def conceal(self, samples: int, /) -> bytes:
        """So many samples in place of a payload that was lost, in the order of decoding."""

    def recover(self, payload: bytes, samples: int, /) -> bytes:
        """So many samples of the frame before this payload, by its forward error correction; what
        `conceal` gives where it has none. `payload` itself is decoded after it, as always.

        Raises:
            MediaError: The payload is not of this codec.
        """


class Decoder(NamedTuple):
    """What plays the payloads of one payload type.

    Args:
        codec: What decodes them.
        clock_rate: RTP timestamp ticks a second.
        sample_rate: Samples a second of what it gives.
    """

    codec: AudioCodec
    clock_rate: int
    sample_rate: int


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class CodecType:
    """What a codec is called, and how to make one.

    Args:
        name: The encoding name of its rtpmap; compared without regard to case.
        clock_rate: RTP timestamp ticks a second.
        make: Gives a new codec for the format parameters (fmtp) that the other side stated, "" for
            none; called when a stream starts, so it may import what it needs. It takes any text.
        payload_type: Static payload type (RFC 3551 section 6); None for a dynamic one.
        sample_rate: Samples a second; 0, the default, where that is the clock rate. A multiple of
            the clock rate.
        channels: As the rtpmap has them; the codec takes and gives mono all the same.
        fmtp: Format parameters to offer it with; "" for none.
        available: Whether its library is installed.
        needs: What to install where it is not, as pip takes it.
        ptimes: Milliseconds of audio that a packet can have, rising; () for any.

    Raises:
        UsageError: A number is out of its range.
    """

    name: str
    clock_rate: int
    make: Callable[[str], AudioCodec]
    payload_type: int | None = None
    sample_rate: int = 0
    channels: int = 1
    fmtp: str = ""
    available: Callable[[], bool] = _always
    needs: str = ""
    ptimes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.sample_rate:
            object.__setattr__(self, "sample_rate", self.clock_rate)
        if self.clock_rate <= 0 or self.sample_rate % self.clock_rate:
            raise UsageError(
                f"The sample rate of codec {self.name} has to be a multiple of its clock rate, "
                f"which {self.sample_rate} is not of {self.clock_rate}."
            )
        if self.channels < 1:
            raise UsageError(f"Codec {self.name} has at least 1 channel, not {self.channels}.")

    @property
    def samples_per_tick(self) -> int:
        """Samples that pass in one tick of the RTP clock."""
        return self.sample_rate // self.clock_rate

    @property
    def rtpmap(self) -> str:
        """The codec as an rtpmap names it: "PCMU/8000", "opus/48000/2"."""
        tail = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.name}/{self.clock_rate}{tail}"

    def decoder(self, fmtp: str = "") -> Decoder:
        """A new decoder for what the other side sends with these format parameters."""
        return Decoder(self.make(fmtp), self.clock_rate, self.sample_rate)

    def check_available(self) -> None:
        """See that the codec's library is installed.

        Raises:
            UsageError: It is not; the message says what to install.
        """
        if not self.available():
            how = f": pip install {self.needs}" if self.needs else ""
            raise UsageError(f"Codec {self.name} needs a library that is not installed{how}.")

    def packet_time(self, wanted: float) -> float:
        """The milliseconds nearest to `wanted` that a packet can have: not more, where possible."""
        if not self.ptimes:
            return wanted
        return max((one for one in self.ptimes if one <= wanted), default=self.ptimes[0])


_types: dict[tuple[str, int, int], CodecType] = {}


def register(codec_type: CodecType) -> CodecType:
    """Make a codec known by its name, clock rate and channels; returns it."""
    key = (codec_type.name.upper(), codec_type.clock_rate, codec_type.channels)
    _types[key] = codec_type
    return codec_type


def codec_types() -> tuple[CodecType, ...]:
    """Every codec that is known, installed or not, in the order they were registered."""
    return tuple(_types.values())


def find_codec(name: str, clock_rate: int | None = None) -> CodecType:
    """The codec of an encoding name.

    Args:
        name: "PCMU"; or "PCMU/8000", "L16/44100/2", as an rtpmap has it.
        clock_rate: Only one of that clock rate; None for the first of the name.

    Raises:
        UsageError: None is known, and the message says which are; or its library is not installed,
            and the message says what to install.
    """
    bare, _, rest = name.partition("/")
    rate, _, channels = rest.partition("/")
    if rate.isdecimal() and clock_rate is None:
        clock_rate = int(rate)
    wanted = bare.upper()
    for (known, known_rate, known_channels), codec_type in _types.items():
        if (
            known == wanted
            and clock_rate in (None, known_rate)
            and channels in ("", str(known_channels))
        ):
            codec_type.check_available()
            return codec_type
    shown = name if clock_rate is None or rate else f"{name}/{clock_rate}"
    known_names = ", ".join(codec.rtpmap for codec in _types.values())
    raise UsageError(f"No codec {shown!r} is registered; there are {known_names}.")


def _maker(module: str, name: str) -> Callable[[str], AudioCodec]:
    """What makes a codec, of a module of this package that is imported when the first is made."""

    def make(fmtp: str = "") -> AudioCodec:
        codec: AudioCodec = getattr(import_module(f"{__name__}.{module}"), name)(fmtp)
        return codec

    return make


def _installed(module: str) -> Callable[[], bool]:
    """Asks a module of this package whether its library is installed."""
    return lambda: bool(import_module(f"{__name__}.{module}").available())


_MEDIA: Final = "sipparty[media]"


def _l16(clock_rate: int, channels: int = 1, payload_type: int | None = None) -> CodecType:
    """L16 at a clock rate; in packets that an Ethernet carries whole, where that can be."""
    make = _maker("l16", "L16" if channels == 1 else "stereo")
    ptimes = (10.0, 20.0) if clock_rate * channels <= 32000 else (10.0,)
    return CodecType("L16", clock_rate, make, payload_type, channels=channels, ptimes=ptimes)


for _type in (
    CodecType("PCMU", 8000, _maker("g711", "mu_law"), 0),
    CodecType("PCMA", 8000, _maker("g711", "a_law"), 8),
    CodecType(
        *("G722", 8000, _maker("g722", "G722"), 9, 16000),
        available=_installed("g722"),
        needs=_MEDIA,
    ),
    CodecType(
        *("opus", 48000, _maker("opus", "Opus")),
        channels=2,
        fmtp="useinbandfec=1",
        available=_installed("opus"),
        needs=_MEDIA,
        # Frames of libopus and whole numbers of them (RFC 7587 section 4.2).
        ptimes=(10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0),
    ),
    *(_l16(clock_rate) for clock_rate in (16000, 8000, 24000, 32000, 48000)),
    *(_l16(44100, 1, 11), _l16(44100, 2, 10), _l16(48000, 2)),
):
    register(_type)

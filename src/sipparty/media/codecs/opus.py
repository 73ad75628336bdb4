"""Opus over RTP (RFC 7587), by libopus.

Laws:

* The RTP clock is 48000 and the rtpmap says 2 channels, whatever is inside (section 7). Audio here
  is mono at 48000 samples a second: what comes with two channels is mixed by the decoder, what is
  sent has one.
* What the other side states is kept when sending (section 6.1): no wider band than
  `maxplaybackrate`, no more than `maxaveragebitrate`, `cbr`, forward error correction where it says
  `useinbandfec=1`, silence not sent where it says `usedtx=1`. Values out of range are ignored.
  Its `stereo`, `sprop-stereo` and `sprop-maxcapturerate` change nothing, as said above.
* What we state is `CodecType.fmtp`, made by `opus()`.
* A frame that was lost is had from the next payload (`recover`), else made up (`conceal`).
* No payload makes the decoder fail but by `MediaError`.

    from sipparty.media.codecs.opus import opus

    party = Party(media={"codecs": (opus(bitrate=24000, dtx=True), "PCMU")})

The binding. libopus is called by ctypes, a dozen of its functions, as bindings of it on PyPI do; a
call releases the GIL. Those were not taken since they look for nothing but a library of the system
and are forks with one keeper; PyAV was not, since libavcodec's decoder of Opus neither decodes FEC
nor conceals by a call. The library itself is the one in PyAV's wheel, which the extra `media`
installs, else the system's ("libopus0" on Debian).

The bit rates where the other side says none are those that section 3.1.1 recommends for speech.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_char_p, c_int, c_int32, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sipparty.errors import MediaError, UsageError
from sipparty.media.codecs import CodecType, find_codec
from sipparty.media.pcm import SAMPLE_WIDTH
from sipparty.sdp.formats import parse_fmtp

__all__ = ["Opus", "available", "opus"]

_RATE: Final = 48000
#: Samples in the longest packet, 120 ms.
_MOST: Final = 5760
#: Samples of which every frame has a whole number, 2.5 ms.
_LEAST: Final = 120
#: Octets of the longest payload that is made: what an Ethernet carries.
_MAX_PAYLOAD: Final = 1400
#: Up to so many octets a payload says nothing but that there is silence, and need not be sent.
_NOTHING: Final = 2
_BITRATES: Final = range(6000, 510001)
_RATES: Final = range(8000, 48001)

#: By the playback rate of the other side: the widest band to send (a constant of libopus) and the
#: bits a second of speech in it (RFC 7587 section 3.1.1).
_BANDS: Final = (
    (8000, 1101, 12000),
    (12000, 1102, 16000),
    (16000, 1103, 20000),
    (24000, 1104, 28000),
    (48000, 1105, 32000),
)

# Requests and values of opus_encoder_ctl, as opus_defines.h has them.
_SET_BITRATE: Final = 4002
_SET_MAX_BANDWIDTH: Final = 4004
_SET_VBR: Final = 4006
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014
_SET_DTX: Final = 4016
_APPLICATION_VOIP: Final = 2048

#: The loss, in percent, that the encoder prepares for before the other side has reported any, where
#: it decodes FEC. The encoder puts none in at 0, and at 8 and less none in what it takes for music.
_FIRST_LOSS: Final = 10
#: The least and the most that it prepares for after a report: more would cost more than it saves.
_LEAST_LOSS: Final = 5
_MOST_LOSS: Final = 30


def _places() -> list[str]:
    """Where libopus may be, the newest first."""
    found: list[str] = []
    wheel = find_spec("av")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        package = Path(folder)
        for beside in (package.parent / "av.libs", package / ".dylibs"):
            found += sorted(str(path) for path in beside.glob("libopus*"))
    return [*found, "libopus.so.0", "libopus.0.dylib", "libopus-0.dll", "opus.dll"]


@functools.cache
def _library() -> Any:
    """The library with the types of its functions; None where there is none."""
    for place in _places():
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        library.opus_encoder_create.restype = c_void_p
        library.opus_encoder_create.argtypes = (c_int32, c_int, c_int, c_void_p)
        library.opus_encoder_destroy.restype = None
        library.opus_encoder_destroy.argtypes = (c_void_p,)
        library.opus_encoder_ctl.argtypes = (c_void_p, c_int)
        library.opus_encode.argtypes = (c_void_p, c_char_p, c_int, c_char_p, c_int32)
        library.opus_encode.restype = c_int32
        library.opus_decoder_create.restype = c_void_p
        library.opus_decoder_create.argtypes = (c_int32, c_int, c_void_p)
        library.opus_decoder_destroy.restype = None
        library.opus_decoder_destroy.argtypes = (c_void_p,)
        library.opus_decode.argtypes = (c_void_p, c_char_p, c_int32, c_char_p, c_int, c_int)
        return library
    return None


def available() -> bool:
    """Whether libopus is there."""
    return _library() is not None


def _number(parameters: dict[str, str], name: str, allowed: range) -> int | None:
    """A number among format parameters; None where there is none in its range."""
    text = parameters.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        return None
    return int(text) if int(text) in allowed else None


class Opus:
    """Opus, one direction.

    Args:
        fmtp: The format parameters that the other side stated.
        bitrate: Bits a second to send, 6000 to 510000, where the other side does not want less;
            None for what is recommended for speech.
        complexity: 0 to 10; what the encoder may spend: at 10 about three times as much as at 0.
        fec: Whether to send forward error correction where the other side uses it.
        dtx: Whether not to send silence; None where the other side prefers that.

    Raises:
        MediaError: libopus is not installed.
    """

    def __init__(
        self,
        fmtp: str = "",
        *,
        bitrate: int | None = None,
        complexity: int = 9,
        fec: bool = True,
        dtx: bool | None = None,
    ) -> None:
        library = _library()
        if library is None:
            raise MediaError("Opus needs libopus: pip install sipparty[media].")
        theirs = parse_fmtp(fmtp)
        rate = _number(theirs, "maxplaybackrate", _RATES) or _RATE
        band, usual = next((band, bits) for least, band, bits in _BANDS if rate <= least)
        limit = _number(theirs, "maxaveragebitrate", _BITRATES)
        self._fec = fec and theirs.get("useinbandfec") == "1"
        self._settings = (
            (_SET_MAX_BANDWIDTH, band),
            (_SET_BITRATE, min(bitrate or usual, limit or _BITRATES[-1])),
            (_SET_VBR, int(theirs.get("cbr") != "1")),
            (_SET_COMPLEXITY, complexity),
            (_SET_INBAND_FEC, int(self._fec)),
            (_SET_PACKET_LOSS_PERC, _FIRST_LOSS if self._fec else 0),
            (_SET_DTX, int(theirs.get("usedtx") == "1" if dtx is None else dtx)),
        )
        self._library = library
        self._encoder: int | None = None
        self._decoder: int | None = None
        self._payload = ctypes.create_string_buffer(0)
        self._pcm = ctypes.create_string_buffer(0)

    def __del__(self) -> None:
        if getattr(self, "_encoder", None):
            self._library.opus_encoder_destroy(self._encoder)
        if getattr(self, "_decoder", None):
            self._library.opus_decoder_destroy(self._decoder)

    # Sending.

    def _new_encoder(self) -> int:
        encoder: int | None = self._library.opus_encoder_create(_RATE, 1, _APPLICATION_VOIP, None)
        if not encoder:
            raise MediaError("libopus makes no encoder.")
        self._encoder = encoder
        self._payload = ctypes.create_string_buffer(_MAX_PAYLOAD)
        for request, value in self._settings:
            self._library.opus_encoder_ctl(encoder, request, c_int(value))
        return encoder

    def encode(self, pcm: bytes, /) -> bytes:
        """The payload for 10, 20, 40, 60, 80, 100 or 120 ms; b"" for silence that is not sent.

        Raises:
            MediaError: It is another length.
        """
        encoder = self._encoder or self._new_encoder()
        samples = len(pcm) // SAMPLE_WIDTH
        buffer = self._payload
        length = self._library.opus_encode(encoder, pcm, samples, buffer, _MAX_PAYLOAD)
        if length < 0:
            raise MediaError(
                f"Opus has frames of 10, 20, 40 or 60 ms or whole numbers of them, up to 120 ms; "
                f"not of {samples * 1000 / _RATE:g}."
            )
        return b"" if length <= _NOTHING else ctypes.string_at(buffer, length)

    def expect_loss(self, share: float) -> None:
        """Prepare for the loss that the other side reports, 0 to 1: the more, the more of the
        bits are for forward error correction.
        """
        if self._fec:
            percent = min(max(round(share * 100), _LEAST_LOSS), _MOST_LOSS)
            encoder = self._encoder or self._new_encoder()
            self._library.opus_encoder_ctl(encoder, _SET_PACKET_LOSS_PERC, c_int(percent))

    # Receiving.

    def _decode(self, payload: bytes | None, samples: int, fec: int) -> bytes:
        """What the decoder makes of a payload, or of none."""
        decoder = self._decoder
        if not decoder:
            decoder = self._library.opus_decoder_create(_RATE, 1, None)
            if not decoder:
                raise MediaError("libopus makes no decoder.")
            self._decoder = decoder
            self._pcm = ctypes.create_string_buffer(_MOST * SAMPLE_WIDTH)
        size = 0 if payload is None else len(payload)
        made = self._library.opus_decode(decoder, payload, size, self._pcm, samples, fec)
        if made < 0:
            raise MediaError(f"A payload of {size} octets is no packet of Opus.")
        return ctypes.string_at(self._pcm, made * SAMPLE_WIDTH)

    def decode(self, payload: bytes, /) -> bytes:
        """The samples of a payload, mixed to mono.

        Raises:
            MediaError: It is no packet of Opus.
        """
        if not payload:
            raise MediaError("A packet of Opus has at least one octet.")
        return self._decode(payload, _MOST, 0)

    def conceal(self, samples: int, /) -> bytes:
        """So many samples in place of what was lost, or of silence that was not sent: what went
        before goes on, and fades to comfort noise.
        """
        made = []
        left = samples
        while left > 0:
            # What is made up has a whole number of the shortest frames.
            piece = min(-(-left // _LEAST) * _LEAST, _MOST)
            made.append(self._decode(None, piece, 0))
            left -= piece
        return b"".join(made)[: samples * SAMPLE_WIDTH]

    def recover(self, payload: bytes, samples: int, /) -> bytes:
        """So many samples of what came before this payload, by the forward error correction in
        it; made up as by `conceal` where it has none.

        Raises:
            MediaError: It is no packet of Opus.
        """
        if not payload:
            raise MediaError("A packet of Opus has at least one octet.")
        whole = min(-(-samples // _LEAST) * _LEAST, _MOST)
        return self._decode(payload, whole, 1)[: samples * SAMPLE_WIDTH]


def _within(name: str, value: int | None, allowed: range) -> None:
    if value is not None and (isinstance(value, bool) or value not in allowed):
        raise UsageError(f"{name} is {allowed[0]} to {allowed[-1]}, not {value!r}.")


def opus(
    *,
    bitrate: int | None = None,
    max_bitrate: int | None = None,
    playback_rate: int | None = None,
    capture_rate: int | None = None,
    fec: bool = True,
    dtx: bool | None = None,
    cbr: bool = False,
    stereo: bool = False,
    complexity: int = 9,
) -> CodecType:
    """Opus with other settings, to be given in a list of codecs or to be registered.

    Args:
        bitrate: Bits a second that we send, 6000 to 510000, unless the other side states less;
            None for what RFC 7587 section 3.1.1 recommends for speech.
        max_bitrate: Bits a second that we want to receive at most (`maxaveragebitrate`).
        playback_rate: Samples a second beyond which we make no use of what comes, 8000 to 48000
            (`maxplaybackrate`).
        capture_rate: Samples a second beyond which we send nothing (`sprop-maxcapturerate`).
        fec: Whether to use in-band forward error correction: to ask for it (`useinbandfec`), and
            to send it where we are asked for it.
        dtx: Whether not to send silence, and to ask for that (`usedtx`); None to send silence but
            where the other side asks that it be left out.
        cbr: Whether to ask for a constant bit rate (`cbr`).
        stereo: Whether to ask for two channels (`stereo`). They are mixed here all the same.
        complexity: 0 to 10; what the encoder may spend.

    Raises:
        UsageError: A number is out of its range.
    """
    for name, value, allowed in (
        ("bitrate", bitrate, _BITRATES),
        ("max_bitrate", max_bitrate, _BITRATES),
        ("playback_rate", playback_rate, _RATES),
        ("capture_rate", capture_rate, _RATES),
        ("complexity", complexity, range(11)),
    ):
        _within(name, value, allowed)
    known = find_codec("opus/48000/2")
    stated = {
        "maxplaybackrate": playback_rate,
        "sprop-maxcapturerate": capture_rate,
        "maxaveragebitrate": max_bitrate,
        "stereo": stereo or None,
        "cbr": cbr or None,
        "useinbandfec": fec or None,
        "usedtx": dtx or None,
    }
    return CodecType(
        known.name,
        known.clock_rate,
        functools.partial(Opus, bitrate=bitrate, complexity=complexity, fec=fec, dtx=dtx),
        channels=known.channels,
        fmtp=";".join(f"{name}={int(value)}" for name, value in stated.items() if value),
        available=known.available,
        needs=known.needs,
        ptimes=known.ptimes,
    )

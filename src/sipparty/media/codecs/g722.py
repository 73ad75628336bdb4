"""G.722 at 64 kbit/s (RFC 3551 section 4.5.2), by the package G722.

Sub-band ADPCM of 7 kHz audio: 16000 samples a second, one octet for two of them. The RTP clock is
8000 all the same, by an error of RFC 1890 that was kept.

Why this library: it is the ITU algorithm alone, kept by its users (SIP software), takes and gives
any number of samples, keeps no frames and no delay beyond the algorithm's 1.4 ms, has wheels for
all systems, and releases the GIL. libavcodec has the codec too; each payload then costs a packet
and a frame object, for the same time on the processor.
"""

from __future__ import annotations

from importlib.util import find_spec

from sipparty.errors import MediaError
from sipparty.media.pcm import SAMPLE_WIDTH

__all__ = ["G722", "available"]

_SAMPLE_RATE = 16000
_BIT_RATE = 64000


def available() -> bool:
    """Whether the library is installed."""
    return find_spec("G722") is not None


class G722:
    """G.722; the state of the two bands makes an instance good for one direction.

    Args:
        fmtp: Not looked at; RFC 3551 has no parameters for it.

    Raises:
        MediaError: The library is not installed.
    """

    __slots__ = ("_codec",)

    def __init__(self, fmtp: str = "") -> None:
        try:
            import G722 as library  # noqa: N811
        except ImportError:
            raise MediaError("G.722 needs a library: pip install sipparty[media].") from None
        self._codec = library.G722(_SAMPLE_RATE, _BIT_RATE)

    def encode(self, pcm: bytes, /) -> bytes:
        """One octet for each two samples; a last sample without a second one is left out."""
        whole = len(pcm) - len(pcm) % (2 * SAMPLE_WIDTH)
        payload: bytes = self._codec.encode(memoryview(pcm)[:whole].cast("h"))
        return payload

    def decode(self, payload: bytes, /) -> bytes:
        """Two samples for each octet; any octets will do."""
        pcm: bytes = self._codec.decode(payload).tobytes()
        return pcm

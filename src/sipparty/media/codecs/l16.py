"""L16, linear samples of 16 bits in network byte order (RFC 3551 section 4.5.11).

Channels are interleaved, left before right. What comes with two is mixed to one; what is sent with
two has the same samples on both.

    payload type   clock   channels
    10             44100   2
    11             44100   1
    dynamic        others  1 or 2
"""

from __future__ import annotations

import sys
from typing import Final

from sipparty.errors import MediaError
from sipparty.media.pcm import SAMPLE_WIDTH, audioop

__all__ = ["L16", "stereo"]


class L16:
    """L16; keeps no state.

    Args:
        fmtp: Not looked at: channels beyond two, which it could give an order, are not done.
        channels: 1 or 2, of the payload.
    """

    #: Equal frames have equal payloads.
    stateless: Final = True

    __slots__ = ("_channels", "_swap", "_tomono", "_tostereo")

    def __init__(self, fmtp: str = "", channels: int = 1) -> None:
        module = audioop()
        self._channels = channels
        self._swap = module.byteswap if sys.byteorder == "little" else lambda pcm, width: pcm
        self._tomono = module.tomono
        self._tostereo = module.tostereo

    def encode(self, pcm: bytes, /) -> bytes:
        """The samples in network byte order, on each channel."""
        if self._channels == 2:
            pcm = self._tostereo(pcm, SAMPLE_WIDTH, 1, 1)
        payload: bytes = self._swap(pcm, SAMPLE_WIDTH)
        return payload

    def decode(self, payload: bytes, /) -> bytes:
        """The samples in the machine's byte order, channels mixed.

        Raises:
            MediaError: There is not a whole number of samples on each channel.
        """
        if len(payload) % (SAMPLE_WIDTH * self._channels):
            raise MediaError(
                f"{len(payload)} octets are no whole number of L16 samples on each of "
                f"{self._channels} channels."
            )
        pcm: bytes = self._swap(payload, SAMPLE_WIDTH)
        if self._channels == 2:
            pcm = self._tomono(pcm, SAMPLE_WIDTH, 0.5, 0.5)
        return pcm


def stereo(fmtp: str = "") -> L16:
    """L16 with two channels."""
    return L16(fmtp, 2)

"""G.711, both laws (RFC 3551 section 4.5.14).

One octet a sample at 8000 samples a second, no frames, no state; so a payload may have any length,
and what was companded once comes back the same however often it is.

    name   payload type   law
    PCMU   0              u
    PCMA   8              A
"""

from __future__ import annotations

from typing import Final, Literal

from sipparty.media.pcm import SAMPLE_WIDTH, audioop

__all__ = ["G711", "a_law", "mu_law"]


class G711:
    """G.711 by one of its two laws, each one octet for a 16-bit sample.

    Args:
        law: "ulaw" or "alaw".
    """

    __slots__ = ("_compress", "_expand")

    #: What is encoded does not depend on what was before.
    stateless: Final = True

    def __init__(self, law: Literal["ulaw", "alaw"]) -> None:
        module = audioop()
        self._compress = getattr(module, f"lin2{law}")
        self._expand = getattr(module, f"{law}2lin")

    def encode(self, pcm: bytes, /) -> bytes:
        """One octet for each 16-bit sample."""
        payload: bytes = self._compress(pcm, SAMPLE_WIDTH)
        return payload

    def decode(self, payload: bytes, /) -> bytes:
        """One 16-bit sample for each octet."""
        pcm: bytes = self._expand(payload, SAMPLE_WIDTH)
        return pcm


def mu_law(fmtp: str = "") -> G711:
    """PCMU; `fmtp` is not looked at, there are no parameters."""
    return G711("ulaw")


def a_law(fmtp: str = "") -> G711:
    """PCMA; `fmtp` is not looked at, there are no parameters."""
    return G711("alaw")

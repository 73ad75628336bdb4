"""What a peer may have an engine do before it has proved who and where it is.

`Limits` says how much peers may have held; `Policy` says what is done at their word. Each setting
has a default that is safe for a party that anybody can reach, and does not break an ordinary call.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done at the word of a peer.

    Args:
        unproven_media: Seconds that RTP is sent to an address that is not the one that the
            signalling comes from, and from which nothing has come; then sending stops until
            something comes, and the call stays (RFC 3261 §26, RFC 8445 §19.5.1: the voice hammer).
            None for as long as the call lasts.
        silent_media: Seconds without RTP and RTCP from the peer after which a call is ended; None,
            the default, for never, as announcements are one way.
    """

    unproven_media: float | None = 5.0
    silent_media: float | None = None

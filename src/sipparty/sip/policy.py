"""What a peer may have an engine do before it has proved who and where it is.

`Limits` says how much peers may have held; `Policy` says what is done at their word. Each setting
has a default that is safe for a party that anybody can reach, and does not break an ordinary call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sipparty.sip.reach import is_within_reach

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
        named_targets: Which addresses a peer may have requests sent to by what it names in Contact
            and Record-Route: called with the numeric address and with that of the peer. What it
            may not name is sent by the flow that its messages came by. The default,
            `sipparty.sip.reach.is_within_reach`, leaves out what is nearer to us than the peer is:
            this host, the link, private networks. What the program itself names is not asked about.
        via_maddr: The addresses that the maddr of a Via may have a response sent to (RFC 3261
            §18.2.2), beside the one that its request came from. None by default: anybody could
            have others flooded.
    """

    unproven_media: float | None = 5.0
    silent_media: float | None = None
    named_targets: Callable[[str, str], bool] = is_within_reach
    via_maddr: Collection[str] = ()

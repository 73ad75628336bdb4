"""What can go wrong with media and with nothing else.

    SIPPartyError
    └── MediaError                a source, a sink or a codec cannot do what was asked of it

A packet from the wire that is not what it should be raises `sipparty.errors.ParseError`, a port
pair that cannot be bound `ListenError`, an offer that cannot be agreed on `NegotiationError`: those
are the errors of every room.
"""

from __future__ import annotations

from sipparty.errors import SIPPartyError

__all__ = ["MediaError"]


class MediaError(SIPPartyError):
    """A source, a sink or a codec cannot do what was asked of it; the message names which."""

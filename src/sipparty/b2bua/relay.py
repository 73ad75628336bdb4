"""The session of a leg whose media goes past the B2BUA: the descriptions of one side are those that
the other side is given.

An answer takes as long as the other side does, so what is asked for is a `Pending` meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sipparty.errors import NegotiationError
from sipparty.media.session import MediaSession
from sipparty.sip.dialog.session import Given, Pending

__all__ = ["Origin", "RelayedSession"]

_ORIGIN = re.compile(rb"^o=[^\r\n]*", re.MULTILINE)


class Origin:
    """The o= line of the descriptions that one side is given: a session of its own, whoever has
    described it (RFC 8866 §5.2), with a version that rises with each change (RFC 3264 §8).

    Args:
        session_id: The identity of the session.
        address: The address of who describes it.
    """

    def __init__(self, session_id: int, address: str) -> None:
        self._id = session_id
        self._version = 0
        self._address = f"IP{6 if ':' in address else 4} {address}".encode()
        self._last: bytes | None = None

    def put_on(self, description: bytes) -> bytes:
        """Return a description with this origin."""
        rest = _ORIGIN.sub(b"o=", description, count=1)
        if rest != self._last:
            self._version += 1
            self._last = rest
        line = b"o=- %d %d IN %s" % (self._id, self._version, self._address)
        return _ORIGIN.sub(lambda _: line, description, count=1)


class RelayedSession(MediaSession):
    """The session of a leg; the `Bridge` of the leg has the other side.

    Args:
        leg: The leg.
    """

    descriptors = 0
    offers = True

    def __init__(self, leg: Any) -> None:
        super().__init__()
        self._leg = leg
        self._address: str | None = None

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        """Note the address that our descriptions are of."""
        self._address = self.advertised or local_address
        if self._leg.origin is None:
            self._leg.origin = Origin(self._leg.core.tokens.number(62), self._address)

    def move(self, local_address: str) -> bool:
        """Stay: media does not come here."""
        return True

    def offer(self, direction: str | None = None) -> bytes | None:
        """Give what the other side offers; where it offers nothing, what it has described last, and
        None before that.
        """
        leg = self._leg
        if leg.to_offer is not None:
            return bytes(leg.own(leg.to_offer))
        if leg.other is not None and leg.other.described is not None:
            leg.asked = True
            return bytes(leg.own(leg.other.described))
        return None

    def answer(self, offer: bytes) -> Given[bytes]:
        """Give what the other side answers."""
        leg = self._leg
        if leg.bridge is None:
            raise NegotiationError("The call was transferred, and is joined with no other.")
        leg.described = offer
        if leg.to_answer is not None:
            answer, leg.to_answer = leg.to_answer, None
            return bytes(leg.own(answer))
        leg.waiting = pending = Pending[bytes]()
        leg.bridge.offered(leg, offer)
        return pending

    def accept(self, answer: bytes) -> None:
        """Give the answer to the other side."""
        leg = self._leg
        changed, leg.described, leg.to_offer = answer != leg.described, answer, None
        if leg.bridge is not None:
            leg.bridge.answered(leg, answer, changed)

    def rollback(self) -> None:
        """Forget what was to be offered."""
        self._leg.to_offer = None

    def start(self, early: bool = False) -> None:
        """Do nothing: media does not come here."""

    def stop(self) -> None:
        """Do nothing."""

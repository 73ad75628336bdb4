"""What a session is asked to do for the security of its media: SRTP with keys in descriptions.

    setting       we offer                       we take of an offer
    refused       RTP/AVP                        RTP/AVP
    accepted      RTP/AVP                        either; RTP/SAVP first, where it has both
    offered       RTP/SAVP                       as accepted
    required      RTP/SAVP                       RTP/SAVP
    best-effort   RTP/AVP with a=crypto lines    as accepted; RTP/AVP with a=crypto becomes SRTP

The last is what RFC 8643 calls opportunistic; RFC 4568 section 6 has a=crypto in RTP/SAVP alone, so
that under the other settings it is not looked at elsewhere. A later offer has the protocol that was
agreed on before.

What does it (`sdes`, `transport`) is loaded where it is needed: not for a session that accepts,
before it is offered secure media.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sipparty.errors import UsageError

__all__ = ["SETTINGS", "SRTP"]

#: The settings, and the transport protocols that a session then accepts; the first is the one it
#: offers.
SETTINGS: Final = {
    "refused": ("RTP/AVP",),
    "accepted": ("RTP/AVP", "RTP/SAVP"),
    "offered": ("RTP/SAVP", "RTP/AVP"),
    "required": ("RTP/SAVP",),
    "best-effort": ("RTP/AVP", "RTP/SAVP"),
}

#: What stands in an offer of secure media.
_SECURE: Final = b"/SAVP"


@dataclass(frozen=True, slots=True)
class SRTP:
    """Whether and how the media of a session is secure.

    Args:
        setting: "refused", "accepted" (the default), "offered", "required" or "best-effort": see
            `sipparty.media.srtp.settings`.
        suites: Names of suites, the preferred one first; None for all that there are
            (`sipparty.media.srtp.transport.SUITES`), the strongest first.
        needs_tls: Whether keys go by encrypted signalling alone: where it is not, secure media is
            neither offered nor taken. By default it is, and a warning is logged once.

    Raises:
        MediaError: The library is not installed, and the setting needs it.
        UsageError: There is no such setting or suite.
    """

    setting: str = "accepted"
    suites: Sequence[str] | None = None
    needs_tls: bool = False

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise UsageError(f"srtp is one of {', '.join(SETTINGS)}, not {self.setting!r}.")
        if self.suites is not None or self.setting not in ("refused", "accepted"):
            from sipparty.media.srtp.transport import available_suites

            available_suites(self.suites)

    @classmethod
    def of(cls, what: object) -> SRTP:
        """What the option `srtp` of a session says: a setting, or all of it.

        Raises:
            MediaError: As for the class.
            UsageError: Likewise, or it is something else.
        """
        if isinstance(what, SRTP):
            return what
        if not isinstance(what, str):
            raise UsageError(f"srtp is one of {', '.join(SETTINGS)}, or an SRTP, not {what!r}.")
        return cls(what)

    def matters(self, offer: bytes | None = None) -> bool:
        """Whether there is anything to negotiate.

        Args:
            offer: What the other side offers; None where it does not yet.
        """
        return self.setting not in ("refused", "accepted") or _SECURE in (offer or b"")

"""What a peer may have an engine do before it has proved who and where it is.

`Limits` says how much peers may have held; `Policy` says what is done at their word. Each setting
has a default that is safe for a party that anybody can reach, and does not break an ordinary call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sipparty.errors import BuildError
from sipparty.sip.reach import is_within_reach

__all__ = ["CHALLENGES", "CHALLENGES_WITHOUT_QOP", "Policy"]

#: The values of `challenges`, each answering what the one before it does and more.
CHALLENGES = ("own", "home", "chosen", "any")
#: The values of `challenges_without_qop`.
CHALLENGES_WITHOUT_QOP = ("never", "own", "any")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done at the word of a peer.

    Args:
        unproven_media: Seconds that RTP is sent to hosts that are not the one that the signalling
            comes from, and from which nothing has come: to all of them in a call, and to one of
            them in all calls, until nothing went there for five minutes. Then sending stops until
            something comes, and the call stays (the voice hammer, which RFC 8445 §19.5.1
            describes). None for as long as the call lasts.
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
        challenges: Whose challenges are answered with the credentials of a party: "own", those to
            what the program sends, and in calls that it began; "home", the default, also in calls
            that others began, those of the party's proxy and of servers that have accepted the
            account; "chosen", also with an account that names no realm, those of whomever the
            program calls; "any", everybody's.
        challenges_without_qop: Whether those without qop are, which RFC 2069 had, and whose answers
            are the easiest to find a password by: "never", "own" (the default: not in calls that
            others began) or "any".
        digest_algorithms: The names of the algorithms by which they are; None, the default, for
            all. `sipparty.sip.auth.STRONG_ALGORITHMS` leaves MD5 out.

    Raises:
        BuildError: A setting has no such value.
    """

    unproven_media: float | None = 5.0
    silent_media: float | None = None
    named_targets: Callable[[str, str], bool] = is_within_reach
    via_maddr: Collection[str] = ()
    challenges: str = "home"
    challenges_without_qop: str = "own"
    digest_algorithms: Collection[str] | None = None

    def __post_init__(self) -> None:
        for name, value, values in (
            ("challenges", self.challenges, CHALLENGES),
            ("challenges_without_qop", self.challenges_without_qop, CHALLENGES_WITHOUT_QOP),
        ):
            if value not in values:
                raise BuildError(f"{name}={value!r} is not one of {', '.join(map(repr, values))}.")

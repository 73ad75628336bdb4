"""What a peer may have an engine do before it has proved who and where it is.

`Limits` says how much peers may have held; `Policy` says what is done at their word. Each setting
has a default that is safe for a party that anybody can reach, and does not break an ordinary call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import isfinite

from sipparty.errors import BuildError
from sipparty.records import Record
from sipparty.sip.auth.digest import ANY_ALGORITHM, find_algorithm
from sipparty.sip.auth.trust import CHALLENGES
from sipparty.sip.reach import is_within_reach

__all__ = ["CHALLENGES", "CHALLENGES_WITHOUT_QOP", "Policy"]

#: The values of `challenges_without_qop`.
CHALLENGES_WITHOUT_QOP = ("never", "own", "any")
#: The values of `replaces`.
REPLACES = ("never", "same", "referred", "any")


class Policy(Record):
    """What is done at the word of a peer.

    Args:
        unproven_media: Seconds that RTP is sent to hosts that are not the one that the signalling
            comes from, and from which nothing has come: to all of them in a call, and to one of
            them in all calls, until nothing went there for five minutes. Then sending stops until
            something comes, and the call stays (the voice hammer, which RFC 8445 §19.5.1
            speaks of). None for as long as the call lasts.
        silent_media: Seconds without RTP and RTCP from the peer after which a call is ended; None,
            the default, for never, as announcements go in one direction.
        named_targets: Which addresses a peer may have requests sent to by what it names in Contact
            and Record-Route: called with the numeric address and with that of the peer. What it
            may not name is sent by the flow that its messages came by. The default,
            `sipparty.sip.reach.is_within_reach`, leaves out what is nearer to us than the peer is:
            this host, the link, private networks. What the program itself names is not asked about.
        via_maddr: The addresses that the maddr of a Via may have a response sent to (RFC 3261
            §18.2.2), beside the one that its request came from. Empty by default, as anybody could
            have others flooded.
        challenges: Whose challenges are answered with the credentials of a party: "own", those to
            what the program sends, and in calls that it began; "home", the default, also in calls
            that others began, those of the party's proxy and of servers that have accepted the
            account; "chosen", also with an account that names no realm, those of whomever the
            program calls; "any", everybody's.
        challenges_without_qop: Whether those without qop are, which RFC 2069 had, and whose answers
            are the easiest to find a password by: "never", "own" (the default: not in calls that
            others began) or "any".
        digest_algorithms: The names of the algorithms by which they are, at least one; None, the
            default, for all. `sipparty.sip.auth.STRONG_ALGORITHMS` leaves MD5 out.
        replaces: Whose INVITE may take the place of a call by Replaces (RFC 3891 §8): "never",
            nobody's; "same", that of who has authenticated as the user who is replaced; "referred",
            the default, also that of whom the replaced side has sent, as Referred-By says, and at a
            party that asks nobody to authenticate, that of anybody who knows the Call-ID and both
            tags; "any", the last always.

    Raises:
        UsageError: A setting has no such value; as `BuildError`.
    """

    unproven_media: float | None = 5.0
    silent_media: float | None = None
    named_targets: Callable[[str, str], bool] = is_within_reach
    via_maddr: Collection[str] = ()
    challenges: str = "home"
    challenges_without_qop: str = "own"
    digest_algorithms: Collection[str] | None = None
    replaces: str = "referred"

    def __post_init__(self) -> None:
        for name in ("unproven_media", "silent_media"):
            seconds = getattr(self, name)
            if seconds is not None and not _is_duration(seconds):
                raise BuildError(
                    f"{name}={seconds!r} is no number of seconds above 0; None is for no limit."
                )
        if not callable(self.named_targets):
            raise BuildError(
                f"named_targets={self.named_targets!r} cannot be called; write a function of two "
                "addresses, such as sipparty.sip.reach.is_within_reach."
            )
        _check_texts("via_maddr", self.via_maddr, "192.0.2.7")
        if self.digest_algorithms is not None:
            self._check_algorithms(self.digest_algorithms)
        for name, values in (
            ("challenges", CHALLENGES),
            ("challenges_without_qop", CHALLENGES_WITHOUT_QOP),
            ("replaces", REPLACES),
        ):
            if (value := getattr(self, name)) not in values:
                raise BuildError(f"{name}={value!r} is not one of {', '.join(map(repr, values))}.")

    @property
    def algorithms(self) -> Collection[str]:
        """The names of the algorithms by which challenges are answered."""
        return ANY_ALGORITHM if self.digest_algorithms is None else self.digest_algorithms

    @staticmethod
    def _check_algorithms(names: Collection[str]) -> None:
        _check_texts("digest_algorithms", names, "SHA-256")
        if not names:
            raise BuildError(
                "digest_algorithms is empty, so no challenge could be answered; None is for all "
                'algorithms, and challenges="own" or a party without credentials answers fewer.'
            )
        for name in names:
            if find_algorithm(name) is None:
                raise BuildError(
                    f"digest_algorithms has {name!r}, which is no algorithm; those there are: "
                    f"{', '.join(ANY_ALGORITHM)}."
                )


def _is_duration(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and value > 0
    )


def _check_texts(name: str, value: object, example: str) -> None:
    """See that a setting is a collection of texts, and not one text.

    Raises:
        BuildError: It is not.
    """
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Collection)
        or not all(isinstance(one, str) for one in value)
    ):
        # One text is a collection of its letters.
        text = value if isinstance(value, str) else example
        raise BuildError(f"{name}={value!r} is no collection of texts; write {name}=({text!r},).")

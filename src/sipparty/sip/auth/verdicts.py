"""What a server finds of the credentials of a request, and what it answers.

Each kind but `Authenticated` has a `status`, the `headers` that go with it, and a `reason` for the
log; what counts as an attack is in `guesses`, `proven` and `relayed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sipparty.sip.auth.digest import Digest

__all__ = ["Authenticated", "Challenged", "Limited", "Malformed", "Verdict"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are right.

    Args:
        username: Who it is; the account's name where the header had its hash.
        realm: The realm it is of.
        uri: The Request-URI that the client sent to. It may differ from the one that came (RFC 8760
        §2.6 item 6): whoever cares which user was asked for must look at it.
        qop: "auth", "auth-int" (then the body is the client's too), or "" for RFC 2069.
        guesses: How many wrong passwords came beside it.
    """

    username: str
    realm: str
    uri: str
    qop: str
    _digest: Digest = field(repr=False)
    _key: str = field(repr=False)
    _left: float = field(repr=False)
    _source: str = field(repr=False)
    guesses: int = 0


@dataclass(frozen=True, slots=True)
class Challenged:
    """The request has to be answered with a challenge.

    Args:
        status: 401, or 407 of a proxy.
        headers: The headers to answer with, the preferred one first.
        stale: Whether only the nonce was wrong.
        reason: Why, in words, for a log: it says what the peer must not learn.
        username: Who the request claims to be of; "" for nobody. Mind where it is logged: people
        type passwords into the wrong field (RFC 7616 §3.4).
        guesses: How many wrong passwords it brings.
        proven: Whether who guessed has the nonce from a challenge that was sent to the same source.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    stale: bool
    reason: str
    username: str = field(default="", repr=False)
    guesses: int = 0
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """The credentials make no sense, or not here; answer with the status (RFC 7616 §3.4, §3.4.6).

    Args:
        status: 400.
        reason: Why, in words; it may quote the peer.
        phrase: The same for the peer, as a reason phrase; None for the usual one.
        headers: Nothing.
        guesses: How many wrong passwords came beside it.
        relayed: Whether they are right, and were made for another server: somebody passes on there
        what we asked for, and here what was answered.
        proven: Whether the nonce is of a challenge that was sent to the same source.
    """

    status: int
    reason: str
    phrase: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    guesses: int = 0
    relayed: bool = False
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Limited:
    """The credentials were not looked at: there were too many wrong ones for this user from there.

    Args:
        status: 480: nobody is locked out for good, and it says nothing of the password (RFC 3261
        §21.4.18).
        headers: Retry-After.
        reason: Why, in words.
        guesses: How many passwords were not looked at, and wrong ones beside them.
        proven: Whether the nonce is of a challenge that was sent to the same source.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    reason: str
    guesses: int = 1
    proven: bool = False


#: What `DigestServer.verify` finds.
Verdict = Authenticated | Challenged | Malformed | Limited

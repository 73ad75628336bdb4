"""What a server finds of the credentials of a request, and what it answers."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """What the verdicts share that refuse a request.

    Args:
        status: The status to answer with.
        headers: The headers to answer with, the preferred one first.
        reason: Why, in words, for a log: it says what the peer must not learn, and may quote it.
        guesses: How many wrong passwords the request brings, or that were not looked at.
        proven: Whether the nonce is of a challenge that was sent to the same source.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    reason: str
    guesses: int = 0
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged(_Refused):
    """The request has to be answered with a challenge: 401, or 407 of a proxy.

    Args:
        stale: Whether only the nonce was wrong.
        username: Who the request claims to be of; "" for nobody. Mind where it is logged: people
        type passwords into the wrong field (RFC 7616 §3.4).
    """

    stale: bool
    username: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed(_Refused):
    """The credentials make no sense, or not here: 400 (RFC 7616 §3.4, §3.4.6).

    Args:
        phrase: The reason for the peer, as a reason phrase; None for the usual one.
        relayed: Whether they are right, and were made for another server: somebody passes on there
        what we asked for, and here what was answered.
    """

    status: int = 400
    phrase: str | None = None
    relayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited(_Refused):
    """The credentials were not looked at: there were too many wrong ones for this user from there.

    It is 480 with Retry-After: nobody is locked out for good, and it says nothing of the password
    (RFC 3261 §21.4.18).
    """

    status: int = 480
    guesses: int = 1


#: What `DigestServer.verify` finds.
Verdict = Authenticated | Challenged | Malformed | Limited

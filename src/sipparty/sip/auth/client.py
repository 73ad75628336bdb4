"""A client's side of Digest: which challenges to answer, and how (RFC 3261 §22, RFC 7616 §3.4,
RFC 8760 §2.4).

A `DigestClient` holds accounts and remembers nonces. A `DigestExchange` is one request with its
retries:

    exchange = client.exchange("REGISTER", "sip:biloxi.com")
    exchange.credentials()                      headers for the first try: nonces remembered
    exchange.challenged(www=..., proxy=...)     a 401 or 407 came: headers for the next try
    exchange.accepted(info=..., body=...)       a 2xx came: what its Authentication-Info says

Laws:

* Whose challenges are answered at all is decided by `Trust`.
* No account is used for a realm that it was not given for; the default is for all others.
* Of the challenges of one realm the topmost one is chosen whose algorithm is allowed (RFC 8760
  §2.4), MD5 only where no better one is on offer; and never MD5 where better that we could use was
  offered before, whether by 401 or 407, unless `downgrade` allows it: by the same server for the
  realm, to the same request, or anywhere by who was certainly a server of the realm. Anybody may
  claim a realm, so that what others offer in its name holds for themselves alone; nor does it hold
  where a certain server has taken MD5.
* Memory is bounded: the sessions unused the longest are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from sipparty.sip.auth.digest import (
    ANY_ALGORITHM,
    Account,
    Algorithm,
    find_algorithm,
    known_algorithms,
    known_qop,
)
from sipparty.sip.auth.exchange import Choice, DigestExchange, Offer
from sipparty.sip.auth.memory import Recent, Sessions
from sipparty.sip.auth.trust import Destination, Trust
from sipparty.sip.auth.values import Challenge

__all__ = ["AccountLike", "DigestClient"]

#: An account, or a user and a password.
AccountLike = Account | tuple[str, str]
#: Where a request goes by default: to one's own server.
_HOME = Destination("", routed=True)


class DigestClient:
    """Accounts by realm, and the nonces of the servers that asked for them.

    Args:
        accounts: Accounts by realm, exact and in the same case (RFC 7616 §3.3); or a callable that
        takes a realm and returns an account or None. An account is an `Account` or a pair of user
        and password.
        tokens: Makes a client nonce: text that cannot be guessed, of token characters, 64 bits or
        more, another one at each call; such as `Tokens.tag`.
        default: The account for every realm that `accounts` has none for; None for none.
        algorithms: The names of those allowed. `STRONG_ALGORITHMS` leaves MD5 out.
        downgrade: Whether a realm that has offered a better algorithm may ask for MD5 later (RFC
        8760 §3 describes the attack).
        qop: The qualities of protection, the preferred one first. With "auth-int" first, bodies
        are protected, and a proxy that changes one breaks the request.
        trust: Whose challenges are answered; by default, those of whomever the program sends to.
        max_sessions: How many sessions are remembered: it bounds memory against challenges of ever
        new realms.
        max_answers: The most credentials sent in one request: it bounds what one response can have
        us compute.

    Attributes:
        trust: Whose challenges are answered.
        sessions: What is remembered.

    Raises:
        BuildError: `algorithms` or `qop` holds a name that is not known.
    """

    def __init__(
        self,
        accounts: Mapping[str, AccountLike] | Callable[[str], AccountLike | None] | None = None,
        *,
        tokens: Callable[[], str],
        default: AccountLike | None = None,
        algorithms: Iterable[str] = ANY_ALGORITHM,
        downgrade: bool = False,
        qop: Iterable[str] = ("auth", "auth-int"),
        trust: Trust | None = None,
        max_sessions: int = 1024,
        max_answers: int = 16,
    ) -> None:
        self._find: Callable[[str], AccountLike | None]
        self._find = accounts if callable(accounts) else dict(accounts or {}).get
        self._default = default
        self._allowed = frozenset(row.name for row in known_algorithms(algorithms))
        self._downgrade = downgrade
        self._qop = known_qop(qop)
        self.tokens = tokens
        self.trust = trust or Trust(challenges="chosen")
        self.sessions = Sessions(max_sessions)
        self.max_answers = max_answers
        #: The realms that have offered better than MD5, by the address of the server; "" for any
        #: server. An ordered set.
        self._strong: Recent[tuple[str, str], None] = Recent(max_sessions)
        #: Where MD5 was taken by a certain server of the realm.
        self._weak: Recent[tuple[str, str], None] = Recent(max_sessions)

    def exchange(
        self,
        method: str,
        uri: str,
        body: bytes = b"",
        *,
        scope: Hashable = "",
        destination: Destination | None = None,
    ) -> DigestExchange:
        """Begin a request.

        Args:
            method: Its method.
            uri: Its Request-URI, as it is written.
            body: Its body; counts with auth-int.
            scope: What the nonces belong to: credentials are sent unasked only to a scope that has
            asked for them. RFC 3261 §22.3 has a proxy's bound to a Call-ID, §22.2 a server's to a
            To header's value; a registration may use its registrar's URI.
            destination: Where it goes; None for one's own server.
        """
        return DigestExchange(self, method, uri, body, scope, destination or _HOME)

    def forget(self, scope: Hashable) -> None:
        """Drop the nonces of a scope, such as a dialog that is over."""
        self.sessions.forget(scope)

    def __repr__(self) -> str:
        return f"<DigestClient of {len(self.sessions)} sessions>"

    # ---------------------------------------------------------------- what an exchange asks

    def offer(
        self, realm: str, is_proxy: bool, challenges: list[Challenge], destination: Destination
    ) -> Offer | str:
        """Return which challenges of one realm can be answered; a clause that says why none is."""
        shown = f"realm {realm[:80]!r}"
        found = self._find(realm)
        names_realm = found is not None
        found = self._default if found is None else found
        if found is None:
            return f"no account for {shown}"
        account = Account(*found) if isinstance(found, tuple) else found
        refusal = self.trust.refusal(destination, realm, is_proxy=is_proxy, names_realm=names_realm)
        if refusal:
            return f"in {shown} {refusal}"
        offer = Offer(account, names_realm, [])
        refusals: list[str] = []
        for challenge in challenges:
            row = find_algorithm(challenge.algorithm)
            if row is None:
                refusals.append(f"the algorithm {challenge.algorithm[:40]!r} is not known")
                continue
            qop = self._choose_qop(challenge, row)
            if row.name not in self._allowed:
                refusals.append(f"{row.name} is not allowed")
            elif not account.serves(row):
                refusals.append(f"no {row.base} hash of the password is at hand")
            elif qop is None:
                refusals.append(f"qop {', '.join(challenge.qop)[:40]!r} is not known")
            elif not qop and not self.trust.takes_no_qop(destination):
                refusals.append("a challenge without qop is not answered there")
            else:
                offer.usable.append((challenge, row, qop))
        if not offer.usable:
            return f"in {shown} {', '.join(dict.fromkeys(refusals[:5]))}"
        return offer

    def note(self, realm: str, offer: Offer, address: str) -> bool:
        """Return whether a realm offers better than MD5, and remember that of the server."""
        if all(row.weak for _, row, _ in offer.usable):
            return False
        if (address, realm) not in self._weak:
            self._strong[address, realm] = None
        return True

    def taken(self, realm: str, address: str, *, weak: bool) -> None:
        """Remember what a certain server of a realm has taken: MD5, or better."""
        if weak:
            self._weak[address, realm] = None
            self._strong.pop((address, realm), None)
        else:
            self._strong["", realm] = None
            self._weak.pop((address, realm), None)

    def choose(self, realm: str, offer: Offer, address: str, *, strong: bool) -> list[Choice]:
        """Return the challenges to answer; none where better was offered before.

        Args:
            realm: The realm.
            offer: What can be answered in it.
            address: The server's.
            strong: Whether the same request was offered better before.
        """
        best = [choice for choice in offer.usable if not choice[1].weak]
        strong = strong or (address, realm) in self._strong or ("", realm) in self._strong
        if not best and (not strong or self._downgrade):
            best = offer.usable
        # The topmost (RFC 8760 §2.4), and its like from other branches of a fork.
        return [choice for choice in best if choice[1] == best[0][1]]

    def _choose_qop(self, challenge: Challenge, algorithm: Algorithm) -> str | None:
        offered = challenge.qop
        if not offered:
            # RFC 2069 knows none; a -sess algorithm needs a cnonce, hence a qop (RFC 3261 §22.4
            # item 8), and "auth" is its default (RFC 8760 §2.6 item 8).
            return "auth" if algorithm.session else ""
        return next((qop for qop in self._qop if qop in offered), None)

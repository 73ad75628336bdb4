"""A client's side of Digest: which challenges to answer, and how (RFC 3261 §22, RFC 7616 §3.4,
RFC 8760 §2.4).

A `DigestClient` holds accounts and remembers nonces. A `DigestExchange` is one request with its
retries:

    exchange = client.exchange("REGISTER", "sip:biloxi.com")
    exchange.credentials()                      headers for the first try: nonces remembered
    exchange.challenged(www=..., proxy=...)     a 401 or 407 came: headers for the next try
    exchange.accepted(info=..., body=...)       a 2xx came: what its Authentication-Info says

Whose challenges are answered at all is decided by `Trust`; with what, by `Keyring`. Memory is
bounded: the sessions unused the longest are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping

from sipparty.sip.auth.digest import ANY_ALGORITHM
from sipparty.sip.auth.exchange import DigestExchange
from sipparty.sip.auth.keyring import AccountLike, Keyring
from sipparty.sip.auth.trust import Destination, Trust

__all__ = ["DigestClient"]

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
        8760 §3 tells of the attack).
        qop: The qualities of protection, the preferred one first. With "auth-int" first, bodies
        are protected, and a proxy that changes one breaks the request.
        trust: Whose challenges are answered; by default, those of whomever the program sends to.
        max_sessions: How many sessions are remembered: it bounds memory against challenges of ever
        new realms.
        max_answers: The most credentials sent in one request: it bounds what one response can have
        us compute.

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
        self._keyring = Keyring(
            accounts,
            tokens=tokens,
            default=default,
            algorithms=algorithms,
            downgrade=downgrade,
            qop=qop,
            trust=trust or Trust(challenges="chosen"),
            max_sessions=max_sessions,
            max_answers=max_answers,
        )

    @property
    def trust(self) -> Trust:
        """Whose challenges are answered."""
        return self._keyring.trust

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
        return DigestExchange(self._keyring, method, uri, body, scope, destination or _HOME)

    def forget(self, scope: Hashable) -> None:
        """Drop the nonces of a scope, such as a dialog that is over."""
        self._keyring.sessions.forget(scope)

    def __repr__(self) -> str:
        return f"<DigestClient of {len(self._keyring.sessions)} sessions>"

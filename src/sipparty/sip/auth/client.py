"""A client's side of Digest: which challenges to answer, and how (RFC 3261 §22, RFC 7616 §3.4,
RFC 8760 §2.4).

A `DigestClient` holds accounts and remembers nonces. A `DigestExchange` is one request with its
retries:

    exchange = client.exchange("REGISTER", "sip:biloxi.com")
    exchange.credentials()                      headers for the first try: nonces remembered
    exchange.challenged(www=..., proxy=...)     a 401 or 407 came: headers for the next try
    exchange.accepted(info=..., body=...)       a 2xx came: what its Authentication-Info says

Laws:

* No account is used for a realm that it was not given for. Only `default` goes to any realm.
* Of the challenges of one realm the topmost one is answered whose algorithm is allowed (RFC 8760
  §2.4), MD5 only where no better one is on offer; and never MD5 in a realm that has offered better
  that we could use before, unless `downgrade` allows it.
* Challenges of one realm with the same algorithm and different nonces come of different servers
  behind a fork, and are all answered (RFC 3261 §22.3).
* What was refused is not sent again (RFC 3261 §22.1): only a stale nonce, or one remembered from an
  earlier request, is worth a second try. What can never succeed is a `CredentialsRefused`.
* No nonce is used twice with one count.
* Memory is bounded: the sessions unused the longest are forgotten.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from sipparty.errors import BuildError
from sipparty.sip.auth.digest import (
    ANY_ALGORITHM,
    Account,
    Algorithm,
    Digest,
    find_algorithm,
    known_algorithms,
)
from sipparty.sip.auth.errors import CredentialsRefused, NoCredentials, ServerNotProven
from sipparty.sip.auth.values import AuthenticationInfo, Challenge, Credentials

__all__ = ["DigestClient", "DigestExchange"]

#: An account, or a user and a password.
AccountLike = Account | tuple[str, str]

#: Whether proxies ask: the name of the header that answers.
_HEADERS = {False: "Authorization", True: "Proxy-Authorization"}


@dataclass(slots=True, eq=False)
class _Session:
    """One authentication session: a challenge, and how often it was answered (RFC 7616 §3.6)."""

    challenge: Challenge
    account: Account
    algorithm: Algorithm
    qop: str
    nonce: str = field(repr=False)
    cnonce: str = field(repr=False)
    count: int = 0


@dataclass(slots=True, eq=False)
class _Sent:
    """Credentials that went out with the exchange's last try."""

    session: _Session
    digest: Digest = field(repr=False)
    key: str = field(repr=False)
    #: Whether the nonce was remembered from an earlier request, so that it may have grown old.
    remembered: bool


#: Where a session belongs: scope, whether it is a proxy's, realm.
_Place = tuple[Hashable, bool, str]


class DigestClient:
    """Accounts by realm, and the nonces of the servers that asked for them.

    Args:
        accounts: Accounts by realm, exact and in the same case (RFC 7616 §3.3); or a callable that
        takes a realm and returns an account or None. An account is an `Account` or a pair of user
        and password.
        tokens: Makes a client nonce: text that cannot be guessed, of token characters, 64 bits or
        more, another one at each call; such as `Tokens.tag`.
        default: The account for every realm that `accounts` has none for; None for none. Whoever
        challenges, gets an answer made of it.
        algorithms: The names of those allowed. `STRONG_ALGORITHMS` leaves MD5 out.
        downgrade: Whether a realm that has offered a better algorithm may ask for MD5 later (RFC
        8760 §3 tells of the attack).
        qop: The qualities of protection, the preferred one first. With "auth-int" first, bodies
        are protected, and a proxy that changes one breaks the request.
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
        max_sessions: int = 1024,
        max_answers: int = 16,
    ) -> None:
        self._find: Callable[[str], AccountLike | None]
        if callable(accounts):
            self._find = accounts
        else:
            self._find = dict(accounts or {}).get
        self._default = default
        self._tokens = tokens
        self._allowed = frozenset(row.name for row in known_algorithms(algorithms))
        self._downgrade = downgrade
        self._qop = tuple(qop)
        if not self._qop or not set(self._qop) <= {"auth", "auth-int"}:
            raise BuildError(f"qop {self._qop!r} is not one or both of 'auth' and 'auth-int'.")
        self.max_sessions = max_sessions
        self.max_answers = max_answers
        self._sessions: OrderedDict[_Place, list[_Session]] = OrderedDict()
        #: The realms that have offered better than MD5, as an ordered set.
        self._strong: OrderedDict[tuple[bool, str], None] = OrderedDict()

    def exchange(
        self, method: str, uri: str, body: bytes = b"", *, scope: Hashable = ""
    ) -> DigestExchange:
        """Begin a request.

        Args:
            method: Its method.
            uri: Its Request-URI, as it is written.
            body: Its body; counts with auth-int.
            scope: What the nonces belong to: credentials are sent unasked only to a scope that has
            asked for them. RFC 3261 §22.3 has a proxy's bound to a Call-ID, §22.2 a server's to a
            To header's value; a registration may use its registrar's URI.
        """
        return DigestExchange(self, method, uri, body, scope)

    def forget(self, scope: Hashable) -> None:
        """Drop the nonces of a scope, such as a dialog that is over."""
        for place in [place for place in self._sessions if place[0] == scope]:
            del self._sessions[place]

    def __repr__(self) -> str:
        return f"<DigestClient of {len(self._sessions)} sessions>"

    # ---------------------------------------------------------------- for DigestExchange

    def _account(self, realm: str) -> Account | None:
        found = self._find(realm)
        if found is None:
            found = self._default
        return Account(*found) if isinstance(found, tuple) else found

    def _recall(self, scope: Hashable) -> list[tuple[_Place, list[_Session]]]:
        return [(place, group) for place, group in self._sessions.items() if place[0] == scope]

    def _remember(self, place: _Place, group: list[_Session]) -> None:
        self._sessions[place] = group
        self._sessions.move_to_end(place)
        while len(self._sessions) > self.max_sessions:
            self._sessions.popitem(last=False)

    def _drop(self, place: _Place, group: list[_Session]) -> None:
        if self._sessions.get(place) is group:
            del self._sessions[place]

    def _choose(
        self, proxy: bool, realm: str, challenges: list[Challenge], account: Account
    ) -> list[tuple[Challenge, Algorithm, str]] | str:
        """Return the challenges of one realm to answer, or a clause that says why there is none."""
        place = (proxy, realm)
        refusals: list[str] = []
        usable: list[tuple[Challenge, Algorithm, str]] = []
        for challenge in challenges:
            row = find_algorithm(challenge.algorithm)
            if row is None:
                refusals.append(f"{challenge.algorithm[:40]} is not known")
                continue
            qop = self._choose_qop(challenge, row)
            if row.name not in self._allowed:
                refusals.append(f"{row.name} is not allowed")
            elif not account.serves(row):
                refusals.append(f"no {row.base} hash of the password is at hand")
            elif qop is None:
                refusals.append(f"qop {', '.join(challenge.qop)[:40]} is not known")
            else:
                usable.append((challenge, row, qop))
        better = [choice for choice in usable if not choice[1].weak]
        if better:
            self._strong[place] = None
            self._strong.move_to_end(place)
            while len(self._strong) > self.max_sessions:
                self._strong.popitem(last=False)
        if not better and usable and place in self._strong and not self._downgrade:
            return "only MD5 is offered where a better algorithm was offered before"
        best = better or usable
        if not best:
            return ", ".join(dict.fromkeys(refusals))
        # The topmost (RFC 8760 §2.4), and its like from other branches of a fork.
        return [choice for choice in best if choice[1] == best[0][1]]

    def _choose_qop(self, challenge: Challenge, algorithm: Algorithm) -> str | None:
        offered = challenge.qop
        if not offered:
            # RFC 2069 knows none; a -sess algorithm needs a cnonce, hence a qop (RFC 3261 §22.4
            # item 8), and "auth" is its default (RFC 8760 §2.6 item 8).
            return "auth" if algorithm.session else ""
        return next((qop for qop in self._qop if qop in offered), None)


class DigestExchange:
    """One request and its retries; made by `DigestClient.exchange`.

    Attributes:
        attempts: How often it was challenged so far.
    """

    #: The most challenges of one request, against servers that call every nonce stale.
    MAX_ATTEMPTS = 8

    def __init__(
        self, client: DigestClient, method: str, uri: str, body: bytes, scope: Hashable
    ) -> None:
        self.attempts = 0
        self._client = client
        self._method = method
        self._uri = uri
        self._body = body
        self._scope = scope
        #: What the next try goes out with.
        self._groups: dict[_Place, list[_Session]] = {}
        #: What the last try went out with.
        self._sent: dict[_Place, list[_Sent]] = {}
        #: Realms that have refused, and why nothing is to be tried there again.
        self._refused: dict[_Place, CredentialsRefused] = {}
        self._fresh: set[_Place] = set()

    def __repr__(self) -> str:
        return f"<DigestExchange {self._method} {self._uri!r}, {self.attempts} challenges>"

    def credentials(self) -> list[tuple[str, str]]:
        """Return the headers for the first try: credentials for the nonces of this scope, maybe
        none (RFC 7616 §3.6).

        Returns:
            Header names and values, to be added to the request.
        """
        self._groups = dict(self._client._recall(self._scope)[-self._client.max_answers :])
        return self._write()

    def challenged(
        self, www: Iterable[str] = (), proxy: Iterable[str] = ()
    ) -> list[tuple[str, str]]:
        """Take the challenges of a 401 or 407 response and return the headers for the next try.

        They take the place of those of the last try; the next try is a new transaction with a
        higher CSeq (RFC 3261 §22.2).

        Args:
            www: The values of its WWW-Authenticate headers.
            proxy: The values of its Proxy-Authenticate headers; a forked request may bring both
            (RFC 8760 §2.5).

        Returns:
            Header names and values.

        Raises:
            CredentialsRefused: An account was refused, and no other challenge can be answered.
            NoCredentials: No challenge can be answered.
        """
        self.attempts += 1
        asked: OrderedDict[_Place, list[Challenge]] = OrderedDict()
        reasons: list[str] = []
        for is_proxy, texts in ((False, www), (True, proxy)):
            challenges, errors = Challenge.sift(texts)
            reasons += [str(error).rstrip(".") for error in errors]
            for challenge in challenges:
                if challenge.is_digest:
                    place = (self._scope, is_proxy, challenge.realm)
                    asked.setdefault(place, []).append(challenge)
                else:  # RFC 8760 §2.6: Basic above all is not to be used
                    reasons.append(f"the scheme {challenge.scheme[:40]} is not Digest")
        if self.attempts > self.MAX_ATTEMPTS:
            raise NoCredentials(
                f"{self._method} {self._uri} was challenged {self.attempts} times in a row.",
                tuple(place[2] for place in asked),
            )
        answered = False
        for place, group in asked.items():
            reason = self._answer(place, group)
            if reason is None:
                answered = True
            else:
                self._groups.pop(place, None)
                reasons.append(reason)
        if not answered:
            for place in asked:
                if place in self._refused:
                    raise self._refused[place]
            why = "; ".join(reasons[:5]) or "the response holds none"
            raise NoCredentials(
                f"No challenge to {self._method} {self._uri} can be answered: {why}.",
                tuple(place[2] for place in asked),
            )
        return self._write()

    def accepted(
        self,
        info: Iterable[str] = (),
        proxy_info: Iterable[str] = (),
        body: bytes = b"",
    ) -> bool:
        """Take a final response that was no challenge: what it says of the nonces to come, and
        whether the server knows the password (RFC 7616 §3.5).

        Args:
            info: The values of its Authentication-Info headers.
            proxy_info: The values of its Proxy-Authentication-Info headers.
            body: Its body; counts with auth-int.

        Returns:
            Whether a server has proved that it knows the password; False where it said nothing.

        Raises:
            ServerNotProven: Its proof is wrong; the response may be forged.
            ParseError: A header is malformed.
        """
        proven = False
        for is_proxy, texts in ((False, tuple(info)), (True, tuple(proxy_info))):
            if texts:
                value = AuthenticationInfo.parse(*texts)
                proven |= self._take_info(is_proxy, value, body)
        return proven

    # ---------------------------------------------------------------- inside

    def _answer(self, place: _Place, challenges: list[Challenge]) -> str | None:
        """Make sessions for the challenges of one realm; return a clause where that cannot be."""
        client = self._client
        _, is_proxy, realm = place
        shown = f"realm {realm[:80]!r}"
        if place in self._refused:
            return f"{shown} has refused before"
        account = client._account(realm)
        if account is None:
            return f"no account for {shown}"
        choice = client._choose(is_proxy, realm, challenges, account)
        if isinstance(choice, str):
            return f"in {shown} {choice}"
        sent = self._sent.get(place, [])
        if sent and self._is_refusal(sent, [challenge for challenge, _, _ in choice]):
            client._drop(place, self._groups.get(place, []))
            username = sent[0].session.account.username
            self._refused[place] = CredentialsRefused(
                f"The {shown} refused user {username!r}: the user or the password is wrong.",
                realm,
                username,
            )
            return f"{shown} refused user {username!r}"
        group: list[_Session] = []
        nonces: set[str] = set()
        for challenge, algorithm, qop in choice:
            if challenge.nonce not in nonces and len(group) < client.max_answers:
                nonces.add(challenge.nonce)
                group.append(
                    _Session(challenge, account, algorithm, qop, challenge.nonce, client._tokens())
                )
        client._remember(place, group)
        self._groups[place] = group
        self._fresh.add(place)
        return None

    def _is_refusal(self, sent: list[_Sent], challenges: list[Challenge]) -> bool:
        """Whether challenges that follow credentials say that these are wrong (RFC 3261 §22.1)."""
        used = {one.digest.nonce for one in sent}
        if all(challenge.nonce in used for challenge in challenges):
            return True  # no other nonce to try, stale or not
        if any(challenge.stale for challenge in challenges):
            return False
        # A server that does not say "stale" may still mean it of a nonce of an earlier request.
        return not all(one.remembered for one in sent)

    def _write(self) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = []
        self._sent = {}
        for place, group in self._groups.items():
            for session in group:
                if len(headers) >= self._client.max_answers:
                    return headers
                sent, value = self._prove(session, place not in self._fresh)
                self._sent.setdefault(place, []).append(sent)
                headers.append((_HEADERS[place[1]], value))
        return headers

    def _prove(self, session: _Session, remembered: bool) -> tuple[_Sent, str]:
        """Make one set of credentials (RFC 7616 §3.4)."""
        challenge, algorithm, account = session.challenge, session.algorithm, session.account
        session.count += 1
        nc, cnonce = "", ""
        if session.qop:
            nc, cnonce = f"{session.count:08x}", session.cnonce
        digest = Digest(algorithm, session.nonce, cnonce, nc, session.qop)
        ha1 = account.ha1(algorithm, challenge.realm, normalize=challenge.utf8)
        assert ha1 is not None  # _choose saw to it
        key = digest.key(ha1)
        username = account.name_for(
            algorithm, challenge.realm, hashed=challenge.userhash, normalize=challenge.utf8
        )
        values = {
            "username": username,
            "realm": challenge.realm,
            "nonce": session.nonce,
            "uri": self._uri,
            "response": digest.response(key, self._method, self._uri, self._body),
        }
        if challenge.get("algorithm") is not None:
            # RFC 7616 §3.4: what the challenge supplied, and to an RFC 2069 server nothing new.
            values["algorithm"] = challenge.algorithm
        if session.qop:
            values |= {"cnonce": cnonce, "qop": session.qop, "nc": nc}
        if challenge.opaque is not None:
            values["opaque"] = challenge.opaque
        if challenge.userhash:
            values["userhash"] = "true"
        return _Sent(session, digest, key, remembered), str(Credentials(values))

    def _take_info(self, is_proxy: bool, info: AuthenticationInfo, body: bytes) -> bool:
        """Check one Authentication-Info against what was sent; return whether it proves the
        server.
        """
        candidates = [
            one for place, sent in self._sent.items() if place[1] == is_proxy for one in sent
        ]
        if info.cnonce is not None:
            # The cnonce tells which of several credentials is meant (RFC 7616 §3.5).
            candidates = [one for one in candidates if one.digest.cnonce == info.cnonce]
        if len(candidates) != 1:
            if info.rspauth is not None and self._sent:
                raise ServerNotProven("Authentication-Info answers no credentials that were sent.")
            return False
        sent = candidates[0]
        proven = False
        if info.rspauth is not None:
            if info.nc is not None and _count(info.nc) != _count(sent.digest.nc):
                raise ServerNotProven(f"Authentication-Info answers nc {info.nc[:16]!r}, not ours.")
            digest = sent.digest
            if info.qop in ("auth", "auth-int") and digest.qop:
                digest = digest._replace(qop=info.qop)
            expected = digest.response(sent.key, "", self._uri, body)
            given = info.rspauth.lower().encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(expected.encode(), given):
                raise ServerNotProven(
                    "The rspauth of Authentication-Info is wrong: the server does not know the "
                    f"password of user {sent.session.account.username!r}, or the response was "
                    "changed on its way."
                )
            proven = True
        if info.nextnonce:
            # A new session in all but name: what a -sess key is made of changes with the nonce, so
            # that a server needs to remember neither (cf. RFC 7616 §3.4.2).
            session = sent.session
            session.nonce = info.nextnonce
            session.cnonce = self._client._tokens()
            session.count = 0
        return proven


def _count(text: str) -> int:
    try:
        return int(text[:16], 16)
    except ValueError:
        return -1 if text else 0

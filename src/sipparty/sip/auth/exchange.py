"""One request and its retries: which credentials it goes out with (RFC 3261 §22, RFC 7616 §3.4).

Laws:

* Challenges of one realm with the same algorithm and different nonces come of different servers
  behind a fork, and are all answered (RFC 3261 §22.3).
* What was refused is not sent again (RFC 3261 §22.1): only a stale nonce, or one remembered from an
  earlier request, is worth a second try. What can never succeed is a `CredentialsRefused`.
* No nonce is used twice with one count.

SIPPartyError
└── AuthenticationError
    ├── NoCredentials          no challenge can be answered
    ├── CredentialsRefused     the user or the password is wrong
    └── ServerNotProven        the server's own proof is wrong
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sipparty.errors import SIPPartyError
from sipparty.sip.auth.digest import Account, Algorithm, Digest
from sipparty.sip.auth.memory import Place, Session
from sipparty.sip.auth.trust import Destination, Origin
from sipparty.sip.auth.values import AuthenticationInfo, Challenge, Credentials

__all__ = [
    "AuthenticationError",
    "CredentialsRefused",
    "DigestExchange",
    "NoCredentials",
    "Offer",
    "ServerNotProven",
]

#: A challenge that can be answered, by which algorithm, with which qop.
Choice = tuple[Challenge, Algorithm, str]

#: Whether proxies ask: the name of the header that answers.
_HEADERS = {False: "Authorization", True: "Proxy-Authorization"}


class AuthenticationError(SIPPartyError):
    """A request cannot be authenticated; the message says why."""


class NoCredentials(AuthenticationError):
    """None of the challenges can be answered: no account, no algorithm allowed, or no sense in
    them.

    Args:
        message: A sentence.
        realms: The realms that asked.
    """

    def __init__(self, message: str, realms: tuple[str, ...]) -> None:
        super().__init__(message)
        self.realms = realms


class CredentialsRefused(AuthenticationError):
    """The server refused an account's proof: the user or the password is wrong; trying again is
    pointless.

    Args:
        message: A sentence.
        realm: The realm that refused.
        username: The user that was refused.
    """

    def __init__(self, message: str, realm: str, username: str) -> None:
        super().__init__(message)
        self.realm = realm
        self.username = username


class ServerNotProven(AuthenticationError):
    """A response claims to come from a server that knows the password, and its proof is wrong."""


@dataclass(slots=True, eq=False)
class Offer:
    """What can be answered in one realm.

    Args:
        account: The account.
        names_realm: Whether it was given for this realm.
        usable: The challenges that it can answer.
    """

    account: Account
    names_realm: bool
    usable: list[Choice]


@dataclass(slots=True, eq=False)
class _Sent:
    """Credentials that went out with the exchange's last try."""

    session: Session
    digest: Digest = field(repr=False)
    key: str = field(repr=False)
    #: Whether the nonce was remembered from an earlier request, so that it may have grown old.
    remembered: bool


class DigestExchange:
    """One request and its retries; made by `DigestClient.exchange`.

    Attributes:
        attempts: How often it was challenged so far.
        destination: Where it goes.
    """

    #: The most challenges of one request, against servers that call every nonce stale.
    MAX_ATTEMPTS = 8
    #: The most realms that are looked at in one response: each has an account looked up.
    MAX_REALMS = 16

    def __init__(
        self,
        client: Any,
        method: str,
        uri: str,
        body: bytes,
        scope: Hashable,
        destination: Destination,
    ) -> None:
        self.attempts = 0
        self._client = client
        self._method = method
        self._uri = uri
        self._body = body
        self._scope = scope
        self.destination = destination
        #: What the next try goes out with.
        self._groups: dict[Place, list[Session]] = {}
        #: What the last try went out with.
        self._sent: dict[Place, list[_Sent]] = {}
        #: Realms that have refused, and why nothing is to be tried there again.
        self._refused: dict[Place, CredentialsRefused] = {}
        self._fresh: set[Place] = set()
        #: Realms that have offered better than MD5.
        self._strong: set[str] = set()

    def __repr__(self) -> str:
        return f"<DigestExchange {self._method} {self._uri!r}, {self.attempts} challenges>"

    def credentials(self) -> list[tuple[str, str]]:
        """Return the headers for the first try: credentials for the nonces of this scope, maybe
        none (RFC 7616 §3.6).

        Returns:
            Header names and values, to be added to the request.
        """
        client = self._client
        for place, group in client.sessions.of(self._scope):
            is_proxy, realm = place
            address, names_realm = group[0].address, group[0].names_realm
            if client.trust.reaches(
                *(self.destination, address, realm), is_proxy=is_proxy, names_realm=names_realm
            ):
                self._groups[place] = group
        for place in list(self._groups)[: -client.max_answers]:
            del self._groups[place]
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
        asked: OrderedDict[Place, list[Challenge]] = OrderedDict()
        reasons: list[str] = []
        for is_proxy, texts in ((False, www), (True, proxy)):
            challenges, errors = Challenge.sift(texts)
            reasons += [str(error).rstrip(".") for error in errors[:5]]
            for challenge in challenges:
                place = (is_proxy, challenge.realm)
                if not challenge.is_digest:  # RFC 8760 §2.6: Basic above all is not to be used
                    reasons.append(f"the scheme {challenge.scheme[:40]} is not Digest")
                elif place in asked or len(asked) < self.MAX_REALMS:
                    asked.setdefault(place, []).append(challenge)
        realms = tuple(dict.fromkeys(realm for _, realm in asked))
        if self.attempts > self.MAX_ATTEMPTS:
            raise NoCredentials(
                f"{self._method} {self._uri} was challenged {self.attempts} times in a row.", realms
            )
        offers = {place: self._offer(place, group) for place, group in asked.items()}
        for place, offer in offers.items():
            # All of it before any is answered: what is better may come in the other header.
            if isinstance(offer, Offer) and self._client.note(
                place[1], offer, self.destination.address
            ):
                self._strong.add(place[1])
        answered = False
        for place, offer in offers.items():
            reason = offer if isinstance(offer, str) else self._answer(place, offer)
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
                f"No challenge to {self._method} {self._uri} can be answered: {why}.", realms
            )
        return self._write()

    def accepted(
        self,
        info: Iterable[str] = (),
        proxy_info: Iterable[str] = (),
        body: bytes = b"",
        *,
        success: bool = True,
    ) -> bool:
        """Take a final response that was no challenge: what it says of the nonces to come, and
        whether the server knows the password (RFC 7616 §3.5).

        Args:
            info: The values of its Authentication-Info headers.
            proxy_info: The values of its Proxy-Authentication-Info headers.
            body: Its body; counts with auth-int.
            success: Whether it is a 2xx: then what was sent is right.

        Returns:
            Whether a server has proved that it knows the password; False where it said nothing.

        Raises:
            ServerNotProven: Its proof is wrong; the response may be forged.
            ParseError: A header is malformed.
        """
        proof: _Sent | None = None
        trust = self._client.trust
        trust.answered(self.destination)
        for is_proxy, texts in ((False, tuple(info)), (True, tuple(proxy_info))):
            if texts:
                value = AuthenticationInfo.parse(*texts)
                proof = self._take_info(is_proxy, value, body) or proof
        if success:
            for (_, realm), sent in self._sent.items():
                # A REGISTER goes to a server that the program has chosen, and to nobody behind it.
                certain = self._method == "REGISTER" or any(one is proof for one in sent)
                trust.accepted(self.destination, realm, certain=certain)
                if certain:
                    weak = any(one.session.algorithm.weak for one in sent)
                    self._client.taken(realm, self.destination.address, weak=weak)
        return proof is not None

    def is_near(self, address: str) -> bool:
        """Whether what goes to an address gets to the proxies that this request has gone by."""
        there = self.destination._replace(address=address, origin=Origin.OUR_CALL, host="")
        return address == self.destination.address or bool(self._client.trust.is_home(there))

    # ---------------------------------------------------------------- inside

    def _offer(self, place: Place, challenges: list[Challenge]) -> Offer | str:
        is_proxy, realm = place
        if place in self._refused:
            return f"realm {realm[:80]!r} has refused before"
        offer: Offer | str = self._client.offer(realm, is_proxy, challenges, self.destination)
        return offer

    def _answer(self, place: Place, offer: Offer) -> str | None:
        """Make sessions for the challenges of one realm; return a clause where that cannot be."""
        client = self._client
        _, realm = place
        shown = f"realm {realm[:80]!r}"
        choice = client.choose(realm, offer, self.destination.address, strong=realm in self._strong)
        if not choice:
            return f"in {shown} only MD5 is offered where a better algorithm was offered before"
        sent = self._sent.get(place, [])
        if sent and self._is_refusal(sent, [challenge for challenge, _, _ in choice]):
            client.sessions.drop(self._scope, place, self._groups.get(place, []))
            username = sent[0].session.account.username
            self._refused[place] = CredentialsRefused(
                f"The {shown} refused user {username!r}: the user or the password is wrong.",
                realm,
                username,
            )
            return f"{shown} refused user {username!r}"
        by_nonce: dict[str, Choice] = {}
        for one in choice:
            by_nonce.setdefault(one[0].nonce, one)
        where = self.destination.address, offer.names_realm
        group = [
            Session(challenge, offer.account, algorithm, qop, nonce, client.tokens(), *where)
            for nonce, (challenge, algorithm, qop) in [*by_nonce.items()][: client.max_answers]
        ]
        client.sessions.add(self._scope, place, group)
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
                headers.append((_HEADERS[place[0]], value))
        return headers

    def _prove(self, session: Session, remembered: bool) -> tuple[_Sent, str]:
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

    def _take_info(self, is_proxy: bool, info: AuthenticationInfo, body: bytes) -> _Sent | None:
        """Check one Authentication-Info against what was sent; return what it proves the server
        by, if it does.
        """
        candidates = [
            one for place, sent in self._sent.items() if place[0] == is_proxy for one in sent
        ]
        if info.cnonce is not None:
            # The cnonce says which of several credentials is meant (RFC 7616 §3.5).
            candidates = [one for one in candidates if one.digest.cnonce == info.cnonce]
        if len(candidates) != 1:
            if info.rspauth is not None and self._sent:
                raise ServerNotProven("Authentication-Info answers no credentials that were sent.")
            return None
        sent = candidates[0]
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
                    "changed in transit."
                )
        if info.nextnonce:
            # A new session in all but name: what a -sess key is made of changes with the nonce, so
            # that a server needs to remember neither (cf. RFC 7616 §3.4.2).
            session = sent.session
            session.nonce = info.nextnonce
            session.cnonce = self._client.tokens()
            session.count = 0
        return None if info.rspauth is None else sent


def _count(text: str) -> int:
    try:
        return int(text[:16], 16)
    except ValueError:
        return -1 if text else 0

"""A server's side of Digest: challenges, and whether credentials answer them (RFC 3261 §22, RFC
7616 §3.3 to §3.6, RFC 8760 §2.3).

    server.challenge(now)                                  a Challenged verdict: 401 or 407
    server.verify(credentials, method, body, now=now)      one of the four kinds of `Verdict`
    server.verification(...)                               the same in steps: accounts come later

Laws:

* Nobody gets memory without a password: what a nonce says is in the nonce, and it is remembered
  from its first right answer on (`Nonces`).
* `stale` is said only to one who knows the password, so that another try is worth it (§3.3); and
  to one whose answer was not looked at, while its nonce is too old or went elsewhere.
* Proofs are compared in constant time, and an unknown user costs what a known one does.
* Credentials are good for what their `uri` names alone: a proof that was made for another server is
  refused, whoever passes it on (§3.4.6).
* What was offered is what is taken: no algorithm and no qop that the challenge did not name, and
  none left out, as one in between would have it (§5.8).
* Passwords are tried as fast as `GuessLimit` lets a source try those of one user, and of all.
  Whoever has proved to know the password goes on with that nonce as fast as they please.
* The address of a datagram may be forged: wrong answers whose nonce did not go to the source are
  counted apart, and have no answer refused whose nonce did.
* Where finding an account takes time, only an answer to a nonce that went to its source has one
  looked for, so that nobody can have it done in the name of others.
* ACK and CANCEL are never challenged (RFC 3261 §22.1): asking for it is a `UsageError`.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any, NamedTuple

from sipparty.errors import BuildError, UsageError
from sipparty.sip.auth.digest import (
    Account,
    Algorithm,
    Digest,
    find_algorithm,
    known_algorithms,
    known_qop,
)
from sipparty.sip.auth.guessing import GuessLimit
from sipparty.sip.auth.nonces import Nonces
from sipparty.sip.auth.values import AuthenticationInfo, Challenge, Credentials
from sipparty.sip.auth.verdicts import Authenticated, Challenged, Limited, Malformed, Verdict
from sipparty.sip.grammar import check_line

__all__ = ["AccountSought", "DigestServer"]

#: What `lookup` and `userhash` give: an account or a password, None for nobody.
_Found = Account | str | None
#: The verification of one request: it asks for accounts, and is sent what was found.
Verification = Generator["AccountSought", _Found, "Verdict"]

#: Status, header of the challenge, header of the information, by whether a proxy asks (RFC 3261
#: §22.2, §22.3).
_NAMES = {
    False: (401, "WWW-Authenticate", "Authentication-Info"),
    True: (407, "Proxy-Authenticate", "Proxy-Authentication-Info"),
}


class AccountSought(NamedTuple):
    """What a verification needs to go on.

    Args:
        find: Finds it, now or as an awaitable; may raise.
        later: Whether that takes its time, so that it must not be called on the engine's thread.
    """

    find: Callable[[], _Found | Awaitable[_Found]]
    later: bool


class DigestServer:
    """Makes challenges for realms and verifies what comes back.

    Args:
        realms: The realm, or several; the first one is what is asked for unless another is named. A
        realm should name the host or domain, and be globally unique (RFC 3261 §22.1).
        lookup: Takes a user and a realm, and returns an `Account`, a password, or None for nobody;
        or a coroutine function that does so.
        secret: Keys the nonces: 16 bytes of chance or more. Servers that share it, and the clock
        of `now`, know each other's nonces; their counts they do not share.
        tokens: Makes the chance in a nonce: text of 64 bits or more, another one at each call.
        algorithms: What is offered, in the order of the challenges. MD5 comes first by default:
        older phones look at the first challenge alone. Clients that choose the best one (RFC 7616
        §5.8), as sipparty does, take SHA-256 all the same; those that take the topmost one they
        know (RFC 8760 §2.4) take it if it comes first: `("SHA-256", "MD5")`. Only what is not
        offered at all cannot be had by one in between (RFC 8760 §3): `("SHA-256",)`.
        qop: The qualities of protection offered.
        without_qop: Whether credentials without qop are taken where "auth" is offered. RFC 2069
        knew none; but then one in between can leave it out, and the count and the client's chance
        with it.
        uris: URIs that credentials may be for, besides those that `verify` is given as ours: other
        names that requests for us are sent to, as a proxy forwards them; or a function that takes
        a URI and says so.
        guesses: How many wrong passwords a source may give for a user at once.
        guess_interval: Seconds until it may give another one; meanwhile its credentials for that
        user are not looked at.
        source_guesses: How many wrong passwords a source may give at once, for whatever users.
        source_interval: Seconds until it may give another one; meanwhile its credentials are not
        looked at, but for users that have come in from there before.
        proxy: Whether it speaks for a proxy: 407 in the place of 401.
        lifetime: How long a nonce is good, in seconds.
        max_nonces: How many nonces in use are remembered, against clients that use a new one for
        each request.
        userhash: Takes a hash (RFC 7616 §3.4.4), a realm and the algorithm's name, and returns the
        account whose name it hashes, or None. With it, clients are asked to hash names. It may be
        a coroutine function as well.
        blocking: Whether `lookup` and `userhash` are plain functions that may take their time, as
        one that asks a database does: a party's engine has them run on its handlers' threads then,
        and the request waits (`Limits.max_lookups`). Others run on the engine's own thread.

    Raises:
        BuildError: No realm, an algorithm or a qop that is not known, or a secret too short.
    """

    #: The most credentials looked at in one request.
    MAX_CREDENTIALS = 8

    def __init__(
        self,
        realms: str | Iterable[str],
        lookup: Callable[[str, str], _Found | Awaitable[_Found]],
        *,
        secret: bytes,
        tokens: Callable[[], str],
        algorithms: Iterable[str] = ("MD5", "SHA-256"),
        qop: Iterable[str] = ("auth",),
        without_qop: bool = False,
        uris: Iterable[str] | Callable[[str], bool] = (),
        guesses: int = 10,
        guess_interval: float = 3.0,
        source_guesses: int = 100,
        source_interval: float = 1.0,
        proxy: bool = False,
        lifetime: float = 300.0,
        max_nonces: int = 65_536,
        userhash: Callable[[str, str, str], _Found | Awaitable[_Found]] | None = None,
        blocking: bool = False,
    ) -> None:
        self.realms = (realms,) if isinstance(realms, str) else tuple(realms)
        if not self.realms:
            raise BuildError("A DigestServer needs a realm.")
        for realm in self.realms:
            check_line(realm, "realm")
        if len(secret) < 16:
            raise BuildError(f"The secret of nonces is {len(secret)} bytes; 16 are the least.")
        self._lookup = lookup
        self._algorithms = known_algorithms(algorithms)
        self._qop = known_qop(qop)
        self._status, self._challenge_name, self._info_name = _NAMES[proxy]
        #: The header that credentials for it stand in.
        self.credentials_name = "Proxy-Authorization" if proxy else "Authorization"
        self._nonces = Nonces(secret, tokens, lifetime, max_nonces)
        self._userhash = userhash
        #: Whether accounts are found later.
        self._later = blocking or any(map(inspect.iscoroutinefunction, (lookup, userhash)))
        self._without_qop = without_qop
        self._further: Callable[[str], bool]
        self._further = uris if callable(uris) else frozenset(uris).__contains__
        speed = (guesses, guess_interval, source_guesses, source_interval)
        #: By whether the nonce went to the source, not long ago.
        self._limit = GuessLimit(secret, *speed)
        self._unproven = GuessLimit(secret, *speed)
        # Stands for the password of users that do not exist.
        self._nobody = Account("", hmac.new(secret, b"nobody", hashlib.sha256).hexdigest())

    def __repr__(self) -> str:
        return f"<DigestServer of {', '.join(self.realms)}: {len(self._nonces)} nonces in use>"

    # ---------------------------------------------------------------- challenges

    def challenge(
        self,
        now: float,
        *,
        realm: str | None = None,
        stale: bool = False,
        reason: str = "",
        source: str = "",
    ) -> Challenged:
        """Make a challenge: for each algorithm one header, with one nonce (RFC 8760 §2.3).

        Args:
            now: The time in seconds, on any clock that only goes forward.
            realm: One of `realms`; the first by default.
            stale: Whether a right answer to an old nonce came.
            reason: Why, for the log.
            source: The address that it goes to.

        Raises:
            UsageError: It is none of the realms.
        """
        realm = self._realm(realm)
        nonce = self._nonces.make(realm, now, source)
        headers: list[tuple[str, str]] = []
        for algorithm in self._algorithms:
            values = {"realm": realm, "nonce": nonce, "qop": ",".join(self._qop)}
            values["algorithm"] = algorithm.name
            if stale:
                values["stale"] = "true"
            if self._userhash is not None:
                values |= {"userhash": "true", "charset": "UTF-8"}
            headers.append((self._challenge_name, str(Challenge(values))))
        return Challenged(status=self._status, headers=tuple(headers), stale=stale, reason=reason)

    def authentication_info(
        self,
        verdict: Authenticated,
        now: float,
        *,
        body: bytes = b"",
        next_nonce: bool | None = None,
    ) -> tuple[str, str]:
        """Make the header that proves to the client that we know its password (RFC 7616 §3.5).

        Args:
            verdict: What `verify` said of the request.
            now: The time in seconds.
            body: The body of the response; counts with auth-int.
            next_nonce: Whether to give the client a new nonce; None to do so when less than half of
            the old one's lifetime is left.

        Returns:
            The header's name and value.
        """
        digest = verdict._digest
        values = {"rspauth": digest.response(verdict._key, "", verdict.uri, body)}
        if digest.qop:
            values = {"qop": digest.qop, **values, "cnonce": digest.cnonce, "nc": digest.nc}
        if next_nonce is None:
            next_nonce = verdict._left < self._nonces.lifetime / 2
        if next_nonce:
            values["nextnonce"] = self._nonces.make(verdict.realm, now, verdict._source)
        return self._info_name, str(AuthenticationInfo(values))

    # ---------------------------------------------------------------- credentials

    def verify(
        self,
        credentials: Iterable[str],
        method: str,
        body: bytes = b"",
        *,
        now: float,
        realm: str | None = None,
        uris: Callable[[str], bool] | None = None,
        source: str = "",
    ) -> Verdict:
        """Find out whether a request's credentials are right.

        Args:
            credentials: The values of its Authorization headers; of Proxy-Authorization for a
            proxy. Those for other realms and other schemes are passed over (RFC 3261 §22.3).
            method: Its method.
            body: Its body; counts with auth-int.
            now: The time in seconds, on the clock of the challenges.
            realm: One of `realms`; the first by default.
            uris: Takes the URI that credentials are for, and says whether it is one of ours
            (RFC 7616 §3.4.6, RFC 8760 §2.6 item 6). None to take any: then look at the verdict's.
            source: The address that it comes from; guesses are counted by it. "" for none.

        Raises:
            UsageError: The method is ACK or CANCEL, which cannot be challenged (RFC 3261 §22.1),
            the realm is none of `realms`, or `lookup` gave an awaitable: see `verification`.
        """
        steps = self.verification(
            credentials, method, body, now=now, realm=realm, uris=uris, source=source
        )
        found: _Found = None
        while True:
            try:
                sought = steps.send(found)
            except StopIteration as done:
                verdict: Verdict = done.value
                return verdict
            given = sought.find()
            if inspect.isawaitable(given):
                if inspect.iscoroutine(given):
                    given.close()
                raise UsageError("An account that is awaited is for verification(), not verify().")
            found = given

    def verification(
        self,
        credentials: Iterable[str],
        method: str,
        body: bytes = b"",
        *,
        now: float,
        realm: str | None = None,
        uris: Callable[[str], bool] | None = None,
        source: str = "",
    ) -> Verification:
        """Do what `verify` does in steps: yield what account is sought, be sent what was found, and
        return the verdict.
        """
        if method in ("ACK", "CANCEL"):
            raise UsageError(f"{method} cannot be challenged (RFC 3261 §22.1).")
        realm = self._realm(realm)
        challenge = partial(self.challenge, now, realm=realm, source=source)
        values, errors = Credentials.sift(credentials)
        ours = [value for value in values if value.is_digest and value.realm == realm]
        worst: Verdict | None = None
        guesses = 0
        for value in ours[: self.MAX_CREDENTIALS]:
            verdict = yield from self._verify(
                value, method, body, now, realm, uris, source, challenge
            )
            guesses += verdict.guesses
            if isinstance(verdict, Authenticated):
                return replace(verdict, guesses=guesses)
            if worst is None or (isinstance(verdict, Challenged) and verdict.stale):
                worst = verdict
        if worst is not None:
            return replace(worst, guesses=guesses)
        if errors:
            return Malformed(reason=str(errors[0]))
        return challenge(reason=f"no credentials for {realm!r}")

    def _verify(
        self,
        value: Credentials,
        method: str,
        body: bytes,
        now: float,
        realm: str,
        uris: Callable[[str], bool] | None,
        source: str,
        challenge: Callable[..., Challenged],
    ) -> Verification:
        algorithm = find_algorithm(value.algorithm)
        if algorithm is None or algorithm not in self._algorithms:
            return challenge(reason=f"the algorithm {value.algorithm[:40]!r} was not offered")
        fault = self._fault(value, algorithm)
        if fault:
            return Malformed(reason=fault, phrase="Credentials Do Not Fit The Challenge")
        nonces = self._nonces
        nonce = nonces.read(value.nonce, realm)
        fresh = nonces.is_fresh(nonce, now)
        proven = fresh and nonces.went_to(nonce, source)
        limit = self._limit if proven else self._unproven
        goes_on = nonces.is_of(nonce, value.username)
        if not goes_on:
            wait = limit.wait(source, value.username, now)
            if wait > 0:
                reason = "too many wrong passwords that answer no nonce sent there"
                if not proven:
                    # Others may have sent them in its name: it gets a nonce of its own.
                    verdict = challenge(stale=True, reason=reason)
                    return replace(verdict, username=value.username, guesses=1)
                headers = (("Retry-After", str(ceil(wait))),)
                reason = "too many wrong passwords from there"
                return Limited(headers=headers, reason=reason, proven=proven)
            if self._later and not proven:
                return challenge(stale=True, reason="the nonce did not go there")
        digest = Digest(algorithm, value.nonce, value.cnonce, value.nc, value.qop)
        account = yield from self._find(value, algorithm, realm)
        known = account is not None and account.serves(algorithm)
        holder = account if account is not None and known else self._nobody
        ha1 = holder.ha1(algorithm, realm, normalize=self._userhash is not None)
        assert ha1 is not None
        key = digest.key(ha1)
        expected = digest.response(key, method, value.uri, body)
        given = value.response.lower().encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(expected.encode(), given) and known
        if uris is not None and not uris(value.uri) and not self._further(value.uri):
            # Right or wrong, the answer is the same: it does not disclose whether the password was
            # right.
            reason = f"the credentials are for {value.uri[:80]!r}, which is not here"
            phrase = "Credentials Are For Another URI"
            return Malformed(reason=reason, phrase=phrase, relayed=right and fresh, proven=proven)
        if not right:
            limit.count(source, value.username, now)
            reason = "the proof is wrong" if known else f"no such user for {algorithm.name}"
            verdict = challenge(reason=reason)
            return replace(verdict, username=value.username, guesses=1, proven=proven)
        fault = nonces.use(nonce, value.username, value.nc if value.qop else "", now)
        if fault:
            return replace(challenge(stale=True, reason=fault), username=holder.username)
        assert nonce is not None
        if proven and not goes_on:
            limit.succeeded(source, value.username)
        who = holder.username, realm, value.uri, value.qop
        return Authenticated(*who, digest, key, nonces.left(nonce, now), source)

    def _fault(self, value: Credentials, algorithm: Algorithm) -> str:
        """Return what credentials have that no challenge of ours asks for; "" for nothing."""
        if value.qop:
            if value.qop not in self._qop:
                # RFC 7616 §3.4: it must be one of those offered.
                return f"The qop {value.qop[:40]!r} was not offered."
            if not int(value.nc, 16):
                return "The nonce count is zero; it begins with one."
        elif algorithm.session:
            return f"{algorithm.name} needs a qop (RFC 3261 §22.4 item 8)."
        elif not (self._without_qop and "auth" in self._qop):
            # RFC 8760 §2.6 item 8: a client that is offered one has to send it.
            return "The credentials name no qop."
        return ""

    def _find(
        self, value: Credentials, algorithm: Algorithm, realm: str
    ) -> Generator[AccountSought, _Found, Account | None]:
        arguments: tuple[str, ...] = (value.username, realm)
        function: Callable[..., _Found | Awaitable[_Found]] = self._lookup
        if value.userhash:
            if self._userhash is None:
                return None
            function = self._userhash
            arguments = value.username.lower(), realm, algorithm.base
        if not inspect.iscoroutinefunction(function):
            function = partial(self._look, function)
        found = yield AccountSought(partial(function, *arguments), self._later)
        return Account(value.username, found) if isinstance(found, str) else found

    def _look(self, function: Callable[..., Any], *arguments: str) -> Any:
        found = function(*arguments)
        # Not seen to be a coroutine function; the next one is known to take its time.
        self._later = self._later or inspect.isawaitable(found)
        return found

    def _realm(self, realm: str | None) -> str:
        if realm is None:
            return self.realms[0]
        if realm not in self.realms:
            raise UsageError(f"{realm!r} is not a realm of {self!r}.")
        return realm

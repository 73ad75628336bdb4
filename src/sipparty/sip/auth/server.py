"""A server's side of Digest: challenges, and whether credentials answer them (RFC 3261 §22, RFC
7616 §3.3 to §3.6, RFC 8760 §2.3).

    server.challenge(now)                                    a Challenged verdict: 401 or 407
    server.verify(credentials, method, body, now=now)        Authenticated, Challenged or Malformed

A nonce is a time, some chance, and an HMAC of both and the realm under the server's secret:

    base64url(time in ms, 8 bytes | chance, 8 bytes | HMAC-SHA-256, 16 bytes)

so that none has to be remembered to be known as ours, or as too old.

Laws:

* Nobody gets memory without a password: a nonce is remembered from its first right answer on, to
  see its counts only once each (RFC 7616 §3.4, §5.5). When there are too many, the longest known is
  forgotten, and with it every nonce that was made no later and not yet used: forgetting lets no
  replay through.
* The counts of a nonce may come out of order, within `WINDOW` of the highest one. Credentials
  without qop (RFC 2069) have no count; their nonce is good once.
* `stale` is said only to one who knows the password, so that another try is worth it (§3.3).
* Proofs are compared in constant time, and an unknown user costs what a known one does.
* ACK and CANCEL are never challenged (RFC 3261 §22.1): asking for it is a `UsageError`.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sipparty.errors import BuildError, UsageError
from sipparty.sip.auth.digest import Account, Algorithm, Digest, find_algorithm, known_algorithms
from sipparty.sip.auth.values import AuthenticationInfo, Challenge, Credentials

__all__ = ["Authenticated", "Challenged", "DigestServer", "Malformed", "Verdict"]

_HEAD = struct.Struct(">q8s")
_MAC_SIZE = 16

#: Status, header of the challenge, header of the information, by whether a proxy asks (RFC 3261
#: §22.2, §22.3).
_NAMES = {
    False: (401, "WWW-Authenticate", "Authentication-Info"),
    True: (407, "Proxy-Authenticate", "Proxy-Authentication-Info"),
}


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are right.

    Args:
        username: Who it is; the account's name where the header had its hash.
        realm: The realm it is of.
        uri: The Request-URI that the client sent to. It may differ from the one that came (RFC 8760
        §2.6 item 6): whoever cares which user was asked for must look at it.
        qop: "auth", "auth-int" (then the body is the client's too), or "" for RFC 2069.
    """

    username: str
    realm: str
    uri: str
    qop: str
    _digest: Digest = field(repr=False)
    _key: str = field(repr=False)
    _left: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenged:
    """The request has to be answered with a challenge.

    Args:
        status: 401, or 407 of a proxy.
        headers: The headers to answer with, the preferred one first.
        stale: Whether only the nonce was wrong.
        reason: Why, in words, for a log: it tells what the peer should not be told.
        username: Who the request claims to be of; "" for nobody. Mind where it is logged: people
        type passwords into the wrong field (RFC 7616 §3.4).
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    stale: bool
    reason: str
    username: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """The credentials make no sense; answer with the status (RFC 7616 §3.4).

    Args:
        status: 400.
        reason: Why, in words.
    """

    status: int
    reason: str


#: What `DigestServer.verify` finds.
Verdict = Authenticated | Challenged | Malformed


@dataclass(slots=True, eq=False)
class _Counts:
    """The counts seen of one nonce, as a window below the highest."""

    made: int
    highest: int = 0
    #: Bit n: whether `highest - n` was seen.
    seen: int = 0


class DigestServer:
    """Makes challenges for realms and verifies what comes back.

    Args:
        realms: The realm, or several; the first one is what is asked for unless another is named. A
        realm should name the host or domain, and be globally unique (RFC 3261 §22.1).
        lookup: Takes a user and a realm, and returns an `Account`, a password, or None for nobody.
        secret: Keys the nonces: 16 bytes of chance or more. Servers that share it, and the clock
        of `now`, know each other's nonces; their counts they do not share.
        tokens: Makes the chance in a nonce: text of 64 bits or more, another one at each call.
        algorithms: What is offered, the preferred one first (RFC 8760 §2.3). MD5 comes last by
        default, for clients that know no other; leave it out to be safe from those who would have
        it used.
        qop: The qualities of protection offered.
        proxy: Whether it speaks for a proxy: 407 in the place of 401.
        lifetime: How long a nonce is good, in seconds.
        max_nonces: How many nonces in use are remembered, against clients that use a new one for
        each request.
        userhash: Takes a hash (RFC 7616 §3.4.4), a realm and the algorithm's name, and returns the
        account whose name it hashes, or None. With it, clients are asked to hash names.

    Raises:
        BuildError: No realm, an algorithm or a qop that is not known, or a secret too short.
    """

    #: How far behind the highest count one may come: requests overtake each other.
    WINDOW = 128
    #: The most credentials looked at in one request.
    MAX_CREDENTIALS = 8

    def __init__(
        self,
        realms: str | Iterable[str],
        lookup: Callable[[str, str], Account | str | None],
        *,
        secret: bytes,
        tokens: Callable[[], str],
        algorithms: Iterable[str] = ("SHA-256", "MD5"),
        qop: Iterable[str] = ("auth",),
        proxy: bool = False,
        lifetime: float = 300.0,
        max_nonces: int = 65_536,
        userhash: Callable[[str, str, str], Account | None] | None = None,
    ) -> None:
        self.realms = (realms,) if isinstance(realms, str) else tuple(realms)
        if not self.realms:
            raise BuildError("A DigestServer needs a realm.")
        if len(secret) < 16:
            raise BuildError(f"The secret of nonces is {len(secret)} bytes; 16 are the least.")
        self._lookup = lookup
        self._secret = secret
        self._tokens = tokens
        self._algorithms = known_algorithms(algorithms)
        self._qop = tuple(qop)
        if not self._qop or not set(self._qop) <= {"auth", "auth-int"}:
            # RFC 8760 §2.6 item 8: a server always sends one.
            raise BuildError(f"qop {self._qop!r} is not one or both of 'auth' and 'auth-int'.")
        self._status, self._challenge_name, self._info_name = _NAMES[proxy]
        #: The header that credentials for it stand in.
        self.credentials_name = "Proxy-Authorization" if proxy else "Authorization"
        self.lifetime = lifetime
        self.max_nonces = max_nonces
        self._userhash = userhash
        self._used: OrderedDict[bytes, _Counts] = OrderedDict()
        #: Nonces made until then and not in `_used` are not good: they may have been, and been
        #: forgotten.
        self._horizon = -1
        # Stands for the password of users that do not exist.
        self._nobody = Account("", hmac.new(secret, b"nobody", hashlib.sha256).hexdigest())

    def __repr__(self) -> str:
        return f"<DigestServer of {', '.join(self.realms)}: {len(self._used)} nonces in use>"

    # ---------------------------------------------------------------- challenges

    def challenge(
        self, now: float, *, realm: str | None = None, stale: bool = False, reason: str = ""
    ) -> Challenged:
        """Make a challenge: for each algorithm one header, with one nonce (RFC 8760 §2.3).

        Args:
            now: The time in seconds, on any clock that only goes forward.
            realm: One of `realms`; the first by default.
            stale: Whether a right answer to an old nonce came.
            reason: Why, for the log.

        Raises:
            UsageError: It is none of the realms.
        """
        realm = self._realm(realm)
        nonce = self._make_nonce(realm, now)
        headers: list[tuple[str, str]] = []
        for algorithm in self._algorithms:
            values = {"realm": realm, "nonce": nonce, "qop": ",".join(self._qop)}
            values["algorithm"] = algorithm.name
            if stale:
                values["stale"] = "true"
            if self._userhash is not None:
                values |= {"userhash": "true", "charset": "UTF-8"}
            headers.append((self._challenge_name, str(Challenge(values))))
        return Challenged(self._status, tuple(headers), stale, reason)

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
        values: dict[str, str] = {}
        if digest.qop:
            values["qop"] = digest.qop
        values["rspauth"] = digest.response(verdict._key, "", verdict.uri, body)
        if digest.qop:
            values |= {"cnonce": digest.cnonce, "nc": digest.nc}
        if next_nonce is None:
            next_nonce = verdict._left < self.lifetime / 2
        if next_nonce:
            values["nextnonce"] = self._make_nonce(verdict.realm, now)
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
    ) -> Verdict:
        """Find out whether a request's credentials are right.

        Args:
            credentials: The values of its Authorization headers; of Proxy-Authorization for a
            proxy. Those for other realms and other schemes are passed over (RFC 3261 §22.3).
            method: Its method.
            body: Its body; counts with auth-int.
            now: The time in seconds, on the clock of the challenges.
            realm: One of `realms`; the first by default.

        Raises:
            UsageError: The method is ACK or CANCEL, which cannot be challenged (RFC 3261 §22.1), or
            the realm is none of `realms`.
        """
        if method in ("ACK", "CANCEL"):
            raise UsageError(f"{method} cannot be challenged (RFC 3261 §22.1).")
        realm = self._realm(realm)
        values, errors = Credentials.sift(credentials)
        ours = [value for value in values if value.is_digest and value.realm == realm]
        worst: Verdict | None = None
        for value in ours[: self.MAX_CREDENTIALS]:
            verdict = self._verify(value, method, body, now, realm)
            if isinstance(verdict, Authenticated):
                return verdict
            if worst is None or (isinstance(verdict, Challenged) and verdict.stale):
                worst = verdict
        if worst is not None:
            return worst
        if errors:
            return Malformed(400, str(errors[0]))
        return self.challenge(now, realm=realm, reason=f"no credentials for {realm!r}")

    def _verify(
        self, value: Credentials, method: str, body: bytes, now: float, realm: str
    ) -> Verdict:
        algorithm = find_algorithm(value.algorithm)
        if algorithm is None or algorithm not in self._algorithms:
            return self.challenge(
                now, realm=realm, reason=f"the algorithm {value.algorithm[:40]!r} was not offered"
            )
        if value.qop and value.qop not in self._qop:
            # RFC 7616 §3.4: it must be one of those offered.
            return Malformed(400, f"The qop {value.qop[:40]!r} was not offered.")
        if value.qop and not int(value.nc, 16):
            return Malformed(400, "The nonce count is zero; it begins with one.")
        if not value.qop and algorithm.session:
            return Malformed(400, f"{algorithm.name} needs a qop (RFC 3261 §22.4 item 8).")
        digest = Digest(algorithm, value.nonce, value.cnonce, value.nc, value.qop)
        account = self._find(value, algorithm, realm)
        known = account is not None and account.serves(algorithm)
        holder = account if account is not None and known else self._nobody
        ha1 = holder.ha1(algorithm, realm, normalize=self._userhash is not None)
        assert ha1 is not None
        key = digest.key(ha1)
        expected = digest.response(key, method, value.uri, body)
        given = value.response.lower().encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(expected.encode(), given)
        if not (right and known):
            reason = "the proof is wrong" if known else f"no such user for {algorithm.name}"
            return replace(self.challenge(now, realm=realm, reason=reason), username=value.username)
        made = self._read_nonce(value.nonce, realm)
        fault = self._use_nonce(value, made, now)
        if fault:
            return replace(
                self.challenge(now, realm=realm, stale=True, reason=fault),
                username=holder.username,
            )
        assert made is not None
        left = self.lifetime - (now - made / 1000)
        return Authenticated(holder.username, realm, value.uri, value.qop, digest, key, left)

    def _find(self, value: Credentials, algorithm: Algorithm, realm: str) -> Account | None:
        if value.userhash:
            if self._userhash is None:
                return None
            return self._userhash(value.username.lower(), realm, algorithm.base)
        found = self._lookup(value.username, realm)
        return Account(value.username, found) if isinstance(found, str) else found

    def _realm(self, realm: str | None) -> str:
        if realm is None:
            return self.realms[0]
        if realm not in self.realms:
            raise UsageError(f"{realm!r} is not a realm of {self!r}.")
        return realm

    # ---------------------------------------------------------------- nonces

    def _mac(self, head: bytes, realm: str) -> bytes:
        data = head + realm.encode("utf-8", "surrogateescape")
        return hmac.digest(self._secret, data, "sha256")[:_MAC_SIZE]

    def _make_nonce(self, realm: str, now: float) -> str:
        chance = hashlib.sha256(self._tokens().encode()).digest()[:8]
        head = _HEAD.pack(int(now * 1000), chance)
        return urlsafe_b64encode(head + self._mac(head, realm)).decode()

    def _read_nonce(self, nonce: str, realm: str) -> int | None:
        """Return when a nonce was made, in milliseconds; None for one that is not ours."""
        try:
            data = urlsafe_b64decode(nonce.encode("ascii"))
        except ValueError:
            return None
        head, mac = data[: _HEAD.size], data[_HEAD.size :]
        if len(head) != _HEAD.size or not hmac.compare_digest(mac, self._mac(head, realm)):
            return None
        made: int = _HEAD.unpack(head)[0]
        return made

    def _use_nonce(self, value: Credentials, made: int | None, now: float) -> str:
        """Count one use of a nonce; return why it is no longer good, or ""."""
        if made is None:
            return "the nonce is not ours"
        if now - made / 1000 > self.lifetime:
            return "the nonce is too old"
        # The nonce's text could be spelled in several ways; what it says cannot.
        name = urlsafe_b64decode(value.nonce)
        counts = self._used.get(name)
        if counts is None:
            if made <= self._horizon:
                return "the nonce was forgotten"
            counts = self._used[name] = _Counts(made)
            self._shrink(now)
        if not value.qop:
            # RFC 2069 has no count: once is all.
            count = counts.highest + self.WINDOW + 1 if not counts.seen else 0
        else:
            count = int(value.nc, 16)
        behind = counts.highest - count
        if behind >= self.WINDOW or (behind >= 0 and counts.seen >> behind & 1) or not count:
            return f"a replay: count {value.nc or 'none'} was used before"
        if behind < 0:
            counts.seen = (counts.seen << min(-behind, self.WINDOW)) & ((1 << self.WINDOW) - 1)
            counts.seen |= 1
            counts.highest = count
        else:
            counts.seen |= 1 << behind
        return ""

    def _shrink(self, now: float) -> None:
        """Forget the nonces that are too old, and the longest known of those that are too many."""
        used = self._used
        while used:
            name, counts = next(iter(used.items()))
            old = now - counts.made / 1000 > self.lifetime
            if not old and len(used) <= self.max_nonces:
                return
            del used[name]
            if not old:
                self._horizon = max(self._horizon, counts.made)

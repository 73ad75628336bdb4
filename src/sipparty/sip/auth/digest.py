"""The arithmetic of Digest: from a user, a nonce and a request to a proof (RFC 7616 §3.4).

    H(A1)       of user, realm and password; may be stored in the password's place (§3.6)
    session key H(A1), or for a -sess algorithm H(H(A1):nonce:cnonce) (§3.4.2)
    H(A2)       of method and URI, with auth-int of the body too (§3.4.3)
    response    H(session key:nonce:nc:cnonce:qop:H(A2)), or H(session key:nonce:H(A2)) as RFC 2069

Laws:

* Every function is pure. Text is hashed as UTF-8; octets of the wire that are not UTF-8 are hashed
  as they came.
* A secret is never in a `repr`, an error or a log.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sipparty.errors import BuildError
from sipparty.sip.grammar import check_line

__all__ = [
    "ALGORITHMS",
    "ANY_ALGORITHM",
    "STRONG_ALGORITHMS",
    "Account",
    "Algorithm",
    "Digest",
    "digest_response",
    "find_algorithm",
    "hash_password",
    "hash_username",
    "known_algorithms",
    "known_qop",
]


class Algorithm(NamedTuple):
    """A row of the table of algorithms (RFC 7616 §3.3, §6.1; RFC 8760 §2.7).

    Args:
        name: As the algorithm parameter spells it.
        base: The name without "-sess": which stored H(A1) it works with.
        hash_name: What `hashlib` calls the hash.
        session: Whether it is a -sess variant.
        weak: Whether it is used only for want of a better one.
    """

    name: str
    base: str
    hash_name: str
    session: bool
    weak: bool

    def hash(self, data: bytes) -> str:
        """Return H(data), in lower-case hexadecimal (RFC 7616 §3.2)."""
        return hashlib.new(self.hash_name, data, usedforsecurity=False).hexdigest()


#: name, hash, weak. Some builds of OpenSSL lack SHA-512/256: what is not there is not offered.
_BASES = (
    ("SHA-512-256", "sha512_256", False),
    ("SHA-256", "sha256", False),
    ("MD5", "md5", True),
)

#: The algorithms at hand, by name in lower case.
ALGORITHMS: Mapping[str, Algorithm] = {
    (base + suffix).lower(): Algorithm(base + suffix, base, hash_name, bool(suffix), weak)
    for base, hash_name, weak in _BASES
    if hash_name in hashlib.algorithms_available
    for suffix in ("", "-sess")
}

#: All algorithms, by name.
ANY_ALGORITHM: tuple[str, ...] = tuple(row.name for row in ALGORITHMS.values())
#: All but MD5.
STRONG_ALGORITHMS: tuple[str, ...] = tuple(row.name for row in ALGORITHMS.values() if not row.weak)


def find_algorithm(name: str) -> Algorithm | None:
    """Return an algorithm by its name in any case; None where it is not known."""
    return ALGORITHMS.get(name.lower())


def known_algorithms(names: Iterable[str]) -> tuple[Algorithm, ...]:
    """Return the rows of a setting's names, in order.

    Raises:
        BuildError: One is not known, or there is none.
    """
    rows: list[Algorithm] = []
    for name in names:
        row = find_algorithm(name)
        if row is None:
            raise BuildError(
                f"{name!r} is not an algorithm: expected one of {', '.join(ANY_ALGORITHM)}."
            )
        rows.append(row)
    if not rows:
        raise BuildError("At least one algorithm is needed.")
    return tuple(rows)


def known_qop(names: Iterable[str]) -> tuple[str, ...]:
    """Return the qualities of protection of a setting, in order.

    Raises:
        BuildError: One is not known, or there is none (RFC 8760 §2.6 item 8: one is always sent).
    """
    qop = tuple(names)
    if not qop or not set(qop) <= {"auth", "auth-int"}:
        raise BuildError(f"qop {qop!r} is not one or both of 'auth' and 'auth-int'.")
    return qop


def _octets(*parts: str) -> bytes:
    return ":".join(parts).encode("utf-8", "surrogateescape")


def _row(algorithm: str) -> Algorithm:
    return known_algorithms((algorithm,))[0]


def hash_password(algorithm: str, username: str, realm: str, password: str) -> str:
    """Return H(A1): what may be stored in the place of a password (RFC 7616 §3.4.2, §3.6).

    Args:
        algorithm: Its name; "-sess" makes no difference.
        username: The user's name.
        realm: The realm that the hash is good for.
        password: The password.

    Raises:
        BuildError: The algorithm is not known.
    """
    return _row(algorithm).hash(_octets(username, realm, password))


def hash_username(algorithm: str, username: str, realm: str) -> str:
    """Return what stands for a user's name where `userhash` is true (RFC 7616 §3.4.4).

    Raises:
        BuildError: The algorithm is not known.
    """
    return _row(algorithm).hash(_octets(username, realm))


class Digest(NamedTuple):
    """All that a response is made of, but the secret and the request.

    Args:
        algorithm: The row.
        nonce: The server's.
        cnonce: The client's; "" without qop.
        nc: The nonce count, as it is written; "" without qop.
        qop: "auth", "auth-int", or "" for RFC 2069.
    """

    algorithm: Algorithm
    nonce: str
    cnonce: str = ""
    nc: str = ""
    qop: str = ""

    def key(self, ha1: str) -> str:
        """Return the session key: H(A1) as this algorithm understands it (RFC 7616 §3.4.2)."""
        if not self.algorithm.session:
            return ha1
        return self.algorithm.hash(_octets(ha1, self.nonce, self.cnonce))

    def response(self, key: str, method: str, uri: str, body: bytes = b"") -> str:
        """Return the response (RFC 7616 §3.4.1); with the method "" it is the server's `rspauth`
        (§3.5).
        """
        hash_ = self.algorithm.hash
        if self.qop == "auth-int":
            ha2 = hash_(_octets(method, uri, hash_(body)))
        else:
            ha2 = hash_(_octets(method, uri))
        if self.qop:
            return hash_(_octets(key, self.nonce, self.nc, self.cnonce, self.qop, ha2))
        return hash_(_octets(key, self.nonce, ha2))  # RFC 2617 §3.2.2.1, for RFC 2069


def digest_response(
    *,
    algorithm: str = "MD5",
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    nc: str = "",
    cnonce: str = "",
    qop: str = "",
    body: bytes = b"",
) -> str:
    """Return the response parameter for one request, from first principles (RFC 7616 §3.4.1).

    Args:
        algorithm: Its name.
        username: The user's name, unhashed.
        realm: The realm.
        password: The password.
        method: The request's method.
        uri: Its Request-URI.
        nonce: The server's nonce.
        nc: 8 hexadecimal digits; "" without qop.
        cnonce: The client's nonce; "" without qop, unless the algorithm is a -sess one.
        qop: "auth", "auth-int", or "" for RFC 2069.
        body: Counts with "auth-int" only.

    Raises:
        BuildError: The algorithm is not known.
    """
    digest = Digest(_row(algorithm), nonce, cnonce, nc, qop)
    key = digest.key(hash_password(algorithm, username, realm, password))
    return digest.response(key, method, uri, body)


class Account:
    """A user's name and secret.

    Args:
        username: The name.
        password: The password; None where only hashes of it are at hand.
        hashes: H(A1) by algorithm name ("MD5", "SHA-256", "SHA-512-256"), for one realm, made with
        `hash_password`. A stored hash opens its realm as the password would, but no other (RFC 7616
        §5.2).

    Raises:
        BuildError: Neither password nor hashes are given, a hash is not of its algorithm, or the
        name holds a control character.
    """

    __slots__ = ("_hashes", "_password", "username")

    def __init__(
        self,
        username: str,
        password: str | None = None,
        *,
        hashes: Mapping[str, str] | None = None,
    ) -> None:
        check_line(username, "user name")
        if password is None and not hashes:
            raise BuildError(f"The account of {username!r} needs a password or hashes of it.")
        self.username = username
        self._password = password
        self._hashes: dict[str, str] = {}
        for name, value in (hashes or {}).items():
            row = _row(name)
            text = value.lower()
            if len(text) != len(row.hash(b"")) or text.strip("0123456789abcdef"):
                raise BuildError(
                    f"The {row.base} hash of {username!r} is not "
                    f"{len(row.hash(b''))} hexadecimal digits."
                )
            self._hashes[row.base] = text

    def serves(self, algorithm: Algorithm) -> bool:
        """Whether the secret is at hand in a form that works with an algorithm."""
        return self._password is not None or algorithm.base in self._hashes

    def ha1(self, algorithm: Algorithm, realm: str, *, normalize: bool = False) -> str | None:
        """Return H(A1), None where `serves` says no.

        Args:
            algorithm: The row.
            realm: The realm.
            normalize: Whether to take name and password in Unicode Normalization Form C, as
            `charset="UTF-8"` asks for (RFC 7616 §4).
        """
        stored = self._hashes.get(algorithm.base)
        if stored is not None or self._password is None:
            return stored
        username, password = self.username, self._password
        if normalize:
            username, password = _normal(username), _normal(password)
        return algorithm.hash(_octets(username, realm, password))

    def name_for(self, algorithm: Algorithm, realm: str, *, hashed: bool, normalize: bool) -> str:
        """Return the username parameter: the name or its hash (RFC 7616 §3.4.4)."""
        username = _normal(self.username) if normalize else self.username
        return algorithm.hash(_octets(username, realm)) if hashed else username

    def __repr__(self) -> str:
        return f"<Account {self.username!r}>"


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)

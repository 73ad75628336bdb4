"""Challenges, credentials and authentication information: what stands in the headers of RFC 3261
§22 and RFC 7616, as values.

    WWW-Authenticate, Proxy-Authenticate               Challenge.parse_list
    Authorization, Proxy-Authorization                 Credentials.parse_list
    Authentication-Info, Proxy-Authentication-Info     AuthenticationInfo.parse

Laws:

* What cannot be read is a `ParseError` and nothing else; `sipparty.sip.auth.grammar` reads it, in
  linear time.
* Parameters that are not known, and schemes other than Digest, are kept and written back.
* Reading is lenient about quotation marks, writing follows RFC 7616 §3.3, §3.4 and §3.5 to the
  letter.
* Nothing written can hold a line break (`BuildError`).
* Values do not change, and their `repr` shows neither digest nor nonce.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, Self
from urllib.parse import unquote_to_bytes

from sipparty.errors import BuildError, ParseError
from sipparty.sip.auth.grammar import (
    BREAK,
    TOKEN,
    Element,
    Parameter,
    parse_elements,
    parse_parameters,
    quote,
    unfold,
)

__all__ = ["AuthenticationInfo", "Challenge", "Credentials"]

_NC = re.compile("[0-9A-Fa-f]{1,8}")


class _Fields:
    """Named parameters in order: what the three kinds of value share.

    Args:
        parameters: Values by name, as they are meant: without quotes and escapes. Known ones are
        quoted or not as RFC 7616 says, others are quoted.

    Raises:
        BuildError: On `str`: a name is no token, or a value holds a line break.
    """

    #: Known parameters that are written without quotes.
    _BARE: ClassVar[frozenset[str]] = frozenset()
    #: Known parameters that are written in quotes.
    _QUOTED: ClassVar[frozenset[str]] = frozenset()
    #: Parameters that `repr` shows.
    _SHOWN: ClassVar[tuple[str, ...]] = ()
    _WHAT: ClassVar[str]

    __slots__ = ("_index", "_parameters", "scheme", "token68")

    def __init__(
        self, parameters: Mapping[str, str], *, scheme: str = "Digest", token68: str = ""
    ) -> None:
        #: The authentication scheme as it was written.
        self.scheme = scheme
        #: What stands in the place of parameters for schemes such as Negotiate; else "".
        self.token68 = token68
        self._set(tuple(Parameter(name, value, True) for name, value in parameters.items()))

    def _set(self, parameters: tuple[Parameter, ...]) -> None:
        self._parameters = parameters
        self._index = {parameter.name.lower(): parameter.value for parameter in parameters}

    @classmethod
    def _of(cls, parsed: Element) -> Self:
        self = cls({}, scheme=parsed.scheme, token68=parsed.token68)
        self._set(parsed.parameters)
        return self

    def get(self, name: str) -> str | None:
        """Return a parameter by its name in any case, unquoted; None where it is absent."""
        return self._index.get(name.lower())

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters, by name in lower case, unquoted, in order."""
        return dict(self._index)

    @property
    def is_digest(self) -> bool:
        """Whether the scheme is Digest; no other one is understood here."""
        return self.scheme.lower() == "digest"

    def _flag(self, name: str) -> bool:
        return (self.get(name) or "").lower() == "true"

    def _pairs(self) -> str:
        return ", ".join(self._pair(*parameter) for parameter in self._parameters)

    def _pair(self, name: str, value: str, quoted: bool) -> str:
        key = name.lower()
        if TOKEN.fullmatch(name) is None:
            raise BuildError(f"{name[:80]!r} cannot be a parameter of a {self._WHAT}: not a token.")
        if BREAK.search(value) is not None:
            raise BuildError(
                f"{value[:80]!r} cannot be the {name} of a {self._WHAT}: it holds a line break."
            )
        if key in self._BARE:
            bare = TOKEN.fullmatch(value) is not None
        else:
            # What came unquoted may be more than a token; it goes back as it came. Of equals signs
            # alone it would be read as the end of a token68.
            bare = not quoted and key not in self._QUOTED and value.strip("=") != ""
        if bare:
            return f"{name}={value}"
        return f"{name}={quote(value)}"

    def __str__(self) -> str:
        rest = self.token68 or self._pairs()
        return f"{self.scheme} {rest}" if rest else self.scheme

    def __repr__(self) -> str:
        shown = "".join(
            f" {name}={value!r}" for name in self._SHOWN if (value := self.get(name)) is not None
        )
        return f"<{type(self).__name__} {self.scheme}{shown}>"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, _Fields)
        return (self.scheme.lower(), self.token68, self._index) == (
            other.scheme.lower(),
            other.token68,
            other._index,
        )

    def __hash__(self) -> int:
        return hash((self.scheme.lower(), self.token68, frozenset(self._index.items())))


class _ListFields(_Fields):
    """A challenge or credentials: these come in lists."""

    #: What a Digest value cannot do without.
    _REQUIRED: ClassVar[tuple[str, ...]] = ()

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read exactly one.

        Raises:
            ParseError: It is not one, or lacks what Digest demands.
        """
        found = cls.parse_list(text)
        if len(found) != 1:
            raise ParseError(text, f"one {cls._WHAT}, not {len(found)}", None, what=cls._WHAT)
        return found[0]

    @classmethod
    def parse_list(cls, *texts: str) -> list[Self]:
        """Read the values of a header: one text a line, each of one or several, comma-joined.

        Raises:
            ParseError: A text is malformed, or a Digest value lacks what Digest demands.
        """
        values: list[Self] = []
        for text in texts:
            for parsed in parse_elements(text, cls._WHAT):
                value = cls._of(parsed)
                value._check(parsed.text)
                values.append(value)
        return values

    @classmethod
    def sift(cls, texts: Iterable[str]) -> tuple[list[Self], list[ParseError]]:
        """Read what can be read: for one who must ignore what it does not understand (RFC 8760
        §2.4).

        Returns:
            The values, in order, and an error for each text or element that is none.
        """
        values: list[Self] = []
        errors: list[ParseError] = []
        for text in texts:
            try:
                elements = parse_elements(text, cls._WHAT)
            except ParseError as error:
                errors.append(error)
                continue
            for parsed in elements:
                value = cls._of(parsed)
                try:
                    value._check(parsed.text)
                except ParseError as error:
                    errors.append(error)
                else:
                    values.append(value)
        return values, errors

    def _check(self, text: str) -> None:
        if not self.is_digest:
            return
        for name in self._REQUIRED:
            if name not in self._index:
                raise ParseError(text, f"a {name} parameter", None, what=self._WHAT)

    @property
    def realm(self) -> str:
        """The protection domain (RFC 3261 §22.1); "" where another scheme names none."""
        return self._index.get("realm", "")

    @property
    def nonce(self) -> str:
        """What the server chose for the digest to be made of; opaque to a client."""
        return self._index.get("nonce", "")

    @property
    def algorithm(self) -> str:
        """The algorithm as it is spelled; "MD5" where none is named (RFC 7616 §3.3)."""
        return self._index.get("algorithm") or "MD5"

    @property
    def opaque(self) -> str | None:
        """What a client gives back as it is."""
        return self._index.get("opaque")

    @property
    def userhash(self) -> bool:
        """Whether user names are hashed (RFC 7616 §3.4.4)."""
        return self._flag("userhash")


class Challenge(_ListFields):
    """What a server wants to have proved: a value of WWW-Authenticate or Proxy-Authenticate
    (RFC 7616 §3.3).

    `str(challenge)` is the header value.
    """

    _BARE = frozenset({"stale", "algorithm", "charset", "userhash"})
    _QUOTED = frozenset({"realm", "domain", "nonce", "opaque", "qop"})
    _REQUIRED = ("realm", "nonce")
    _SHOWN = ("realm", "algorithm", "qop", "stale")
    _WHAT = "challenge"

    __slots__ = ()

    @property
    def qop(self) -> tuple[str, ...]:
        """The qualities of protection on offer, in lower case; empty for an RFC 2069 server."""
        return tuple(
            word.strip().lower()
            for word in self._index.get("qop", "").split(",")
            if word and not word.isspace()
        )

    @property
    def stale(self) -> bool:
        """Whether only the nonce was wrong, so that the same password is worth another try."""
        return self._flag("stale")

    @property
    def domain(self) -> tuple[str, ...]:
        """The URIs that share the protection space; SIP does not use them (RFC 3261 §22.1)."""
        return tuple(self._index.get("domain", "").split())

    @property
    def utf8(self) -> bool:
        """Whether names and passwords are to be in Unicode Normalization Form C (RFC 7616 §4)."""
        return (self.get("charset") or "").lower() == "utf-8"


class Credentials(_ListFields):
    """What a client proves it with: a value of Authorization or Proxy-Authorization (RFC 7616
    §3.4).

    `str(credentials)` is the header value.
    """

    _BARE = frozenset({"algorithm", "qop", "nc", "userhash", "username*"})
    _QUOTED = frozenset({"username", "realm", "nonce", "uri", "response", "cnonce", "opaque"})
    _REQUIRED = ("realm", "nonce", "uri", "response")
    _SHOWN = ("username", "realm", "uri", "algorithm", "qop", "nc")
    _WHAT = "set of credentials"

    __slots__ = ()

    def _check(self, text: str) -> None:
        super()._check(text)
        if not self.is_digest:
            return
        if ("username" in self._index) == ("username*" in self._index):
            # RFC 7616 §3.4: both at once is an error.
            raise ParseError(text, "either username or username*", None, what=self._WHAT)
        extended = self._index.get("username*")
        if extended is not None and _extended_value(extended) is None:
            raise ParseError(text, "username* as UTF-8''name", None, what=self._WHAT)
        if self.qop:
            if _NC.fullmatch(self._index.get("nc", "")) is None:
                raise ParseError(text, "nc as 8 hexadecimal digits", None, what=self._WHAT)
            if "cnonce" not in self._index:
                raise ParseError(text, "a cnonce parameter", None, what=self._WHAT)

    @property
    def username(self) -> str:
        """The user, or its hash where `userhash` says so; `username*` is decoded."""
        extended = self._index.get("username*")
        if extended is not None:
            return _extended_value(extended) or ""
        return self._index.get("username", "")

    @property
    def uri(self) -> str:
        """The Request-URI that the client sent to; proxies may have changed it since."""
        return self._index.get("uri", "")

    @property
    def response(self) -> str:
        """The proof, in hexadecimal."""
        return self._index.get("response", "")

    @property
    def qop(self) -> str:
        """The quality of protection, in lower case; "" for an RFC 2069 client."""
        return self._index.get("qop", "").lower()

    @property
    def cnonce(self) -> str:
        """What the client chose for the digest to be made of."""
        return self._index.get("cnonce", "")

    @property
    def nc(self) -> str:
        """The nonce count as it came: 8 hexadecimal digits, or ""."""
        return self._index.get("nc", "")


class AuthenticationInfo(_Fields):
    """What a server proves in return, and the nonce to use next: the value of Authentication-Info
    or Proxy-Authentication-Info (RFC 7616 §3.5).
    """

    _BARE = frozenset({"qop", "nc"})
    _QUOTED = frozenset({"nextnonce", "rspauth", "cnonce"})
    _SHOWN = ("qop", "nc")
    _WHAT = "Authentication-Info"

    __slots__ = ()

    @classmethod
    def parse(cls, *texts: str) -> Self:
        """Read the header; several lines of it are one list.

        Raises:
            ParseError: It is malformed.
        """
        text = unfold(", ".join(texts), cls._WHAT)
        parameters, end = parse_parameters(text, 0, cls._WHAT)
        if not parameters or end < len(text):
            raise ParseError(text, "a parameter name and '='", end, what=cls._WHAT)
        return cls._of(Element("Digest", "", parameters, text))

    @property
    def nextnonce(self) -> str | None:
        """The nonce that the next request should use."""
        return self._index.get("nextnonce")

    @property
    def rspauth(self) -> str | None:
        """The server's proof, in hexadecimal."""
        return self._index.get("rspauth")

    @property
    def qop(self) -> str:
        """The quality of protection of the response, in lower case; "" where none is named."""
        return self._index.get("qop", "").lower()

    @property
    def cnonce(self) -> str | None:
        """The client's cnonce, to tell which credentials this answers."""
        return self._index.get("cnonce")

    @property
    def nc(self) -> str | None:
        """The client's nonce count, to tell which credentials this answers."""
        return self._index.get("nc")

    def __str__(self) -> str:
        return self._pairs()


def _extended_value(text: str) -> str | None:
    """Decode `UTF-8''J%C3%A4s%C3%B8n` (RFC 5987 §3.2.1); None where it is not that."""
    charset, _, rest = text.partition("'")
    _, mark, encoded = rest.partition("'")
    if charset.lower() != "utf-8" or not mark:
        return None
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeError:
        return None

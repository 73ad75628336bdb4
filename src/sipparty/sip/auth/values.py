"""Challenges, credentials and authentication information: what stands in the headers of RFC 3261
§22 and RFC 7616, as values.

    WWW-Authenticate, Proxy-Authenticate               Challenge.parse_list
    Authorization, Proxy-Authorization                 Credentials.parse_list
    Authentication-Info, Proxy-Authentication-Info     AuthenticationInfo.parse

They are a scheme, then parameters, several of each in one list (RFC 7235 §2.1, §4.1; RFC 3261
§25.1).

Laws:

* Text is read once, left to right, in time linear in its length: no pattern here backtracks. What
  cannot be read is a `ParseError` and nothing else.
* One header value holds `MAX_ELEMENTS` challenges at most, and each `MAX_PARAMETERS`.
* Parameters that are not known, and schemes other than Digest, are kept and written back.
* Reading is lenient about quotation marks, since devices quote too much and too little; writing
  follows RFC 7616 §3.3, §3.4 and §3.5 to the letter.
* Nothing read holds a line break, and nothing written can (`BuildError`).
* Values do not change, and their `repr` shows neither digest nor nonce.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import unquote_to_bytes

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern
from sipparty.sip.grammar import QUOTED, TOKEN_CHARS, is_token, unquote

__all__ = ["MAX_ELEMENTS", "MAX_PARAMETERS", "AuthenticationInfo", "Challenge", "Credentials"]

#: The most challenges or credentials in one header value: against one that has us make thousands.
MAX_ELEMENTS = 64
#: The most parameters of one; RFC 7616 knows ten.
MAX_PARAMETERS = 64

_TOKEN = late_pattern(f"[{TOKEN_CHARS}]++")
#: What may stand in no line.
_BREAK = late_pattern("[\r\n\0]")
#: A run of folds, taken at once: one after the other costs more than linear time.
_FOLD = late_pattern(r"(?:\r\n[ \t]++)++")
#: White space and commas: an empty list element means nothing (RFC 7230 §7).
_GAP = late_pattern(r"[ \t,]*+")
_NAME = late_pattern(rf"({_TOKEN.pattern})[ \t]*+=[ \t]*+")
#: A parameter's value. Unquoted ones may hold what a token may not: devices leave quotes out.
_VALUE = late_pattern(rf'{QUOTED}|[^ \t",]++', re.S)
#: A scheme, and the white space behind it.
_SCHEME = late_pattern(rf"({_TOKEN.pattern})(?:(?=,|\Z)|[ \t]++|())")
#: `token68` of RFC 7235 §2.1, for schemes such as Negotiate.
_TOKEN68 = late_pattern(r"[A-Za-z0-9\-._~+/]++=*+(?=[ \t]*+(?:,|\Z))")
_NC = late_pattern("[0-9A-Fa-f]{1,8}")


class _Parameter(NamedTuple):
    """A parameter: its name as it came, its value without quotes, and whether it had quotes."""

    name: str
    value: str
    quoted: bool


def _unfold(text: str, what: str) -> str:
    """Return the text in one line (RFC 3261 §7.3.1); no other line break may be in it."""
    if _BREAK.search(text) is not None:
        text = _FOLD.sub(" ", text)
        found = _BREAK.search(text)
        if found is not None:
            raise ParseError(text, "no line break", found.start(), what=what)
    return text


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return the position after what a pattern that matches anywhere takes."""
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _parse_parameters(text: str, at: int, what: str) -> tuple[list[_Parameter], int]:
    """Read `a=1, b="2"` up to the end or the next scheme; return where that is."""
    parameters: list[_Parameter] = []
    seen: set[str] = set()
    while True:
        begin = _end(_GAP, text, at)
        if parameters and begin < len(text) and "," not in text[at:begin]:
            raise ParseError(text, "a comma", begin, what=what)
        name = _NAME.match(text, begin)
        if name is None:
            return parameters, begin
        start = name.end()
        value = _VALUE.match(text, start)
        if value is None:
            expected = "a closing quotation mark" if text.startswith('"', start) else "a value"
            raise ParseError(text, expected, start, what=what)
        at = value.end()
        key = name[1].lower()
        if key in seen:  # RFC 7235 §2.1: a name occurs once in a challenge
            raise ParseError(text, f"the parameter {key[:40]!r} only once", begin, what=what)
        if len(seen) >= MAX_PARAMETERS:
            raise ParseError(text, f"at most {MAX_PARAMETERS} parameters", begin, what=what)
        seen.add(key)
        parameters.append(_Parameter(name[1], unquote(value[0]), value[0][0] == '"'))


def _text(name: str, doc: str, default: str | None = "") -> Any:
    """Make a property that is a parameter, unquoted."""
    return property(lambda self: self._index.get(name, default), doc=doc)


def _lower(name: str, doc: str) -> Any:
    """Make a property that is a parameter in lower case; "" where it is absent."""
    return property(lambda self: self._index.get(name, "").lower(), doc=doc)


def _flag(name: str, doc: str, true: str = "true") -> Any:
    """Make a property that says whether a parameter has a value, in any case."""
    return property(lambda self: self._index.get(name, "").lower() == true, doc=doc)


class _Fields:
    """Named parameters in order: what the three kinds of value share.

    Args:
        parameters: Values by name, as they are meant: without quotes and escapes. Known ones are
        quoted or not as RFC 7616 says, others are quoted.

    Raises:
        BuildError: On `str`: a name is no token, or a value holds a line break.
    """

    #: Known parameters that are written without quotes, and in quotes.
    _BARE: ClassVar[frozenset[str]] = frozenset()
    _QUOTED: ClassVar[frozenset[str]] = frozenset()
    #: What a Digest value cannot do without.
    _REQUIRED: ClassVar[tuple[str, ...]] = ()
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
        self._set([_Parameter(name, value, True) for name, value in parameters.items()])

    def _set(self, parameters: list[_Parameter]) -> Self:
        self._parameters = parameters
        self._index = {parameter.name.lower(): parameter.value for parameter in parameters}
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

    def _pairs(self) -> str:
        return ", ".join(self._pair(*parameter) for parameter in self._parameters)

    def _pair(self, name: str, value: str, quoted: bool) -> str:
        key = name.lower()
        if not is_token(name):
            raise BuildError(f"{name[:80]!r} cannot be a parameter of a {self._WHAT}: not a token.")
        if _BREAK.search(value) is not None:
            raise BuildError(
                f"{value[:80]!r} cannot be the {name} of a {self._WHAT}: it holds a line break."
            )
        if key in self._BARE:
            bare = is_token(value)
        else:
            # What came unquoted may be more than a token; it goes back as it came. Of equals signs
            # alone it would be read as the end of a token68.
            bare = not quoted and key not in self._QUOTED and value.strip("=") != ""
        if bare:
            return f"{name}={value}"
        value = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{value}"'

    def __str__(self) -> str:
        rest = self.token68 or self._pairs()
        return f"{self.scheme} {rest}" if rest else self.scheme

    def __repr__(self) -> str:
        shown = "".join(
            f" {name}={value!r}" for name in self._SHOWN if (value := self.get(name)) is not None
        )
        return f"<{type(self).__name__} {self.scheme}{shown}>"

    def _same(self) -> tuple[str, str, frozenset[tuple[str, str]]]:
        return self.scheme.lower(), self.token68, frozenset(self._index.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fields) or type(other) is not type(self):
            return NotImplemented
        return self._same() == other._same()

    def __hash__(self) -> int:
        return hash(self._same())


class _ListFields(_Fields):
    """A challenge or credentials: these come in lists."""

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
        values, errors = cls.sift(texts)
        if errors:
            raise errors[0]
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
                elements = cls._parse_elements(text)
            except ParseError as error:
                errors.append(error)
                continue
            for value, its_text in elements:
                try:
                    value._check(its_text)
                except ParseError as error:
                    errors.append(error)
                else:
                    values.append(value)
        return values, errors

    @classmethod
    def _parse_elements(cls, text: str) -> list[tuple[Self, str]]:
        """Split a header value into its challenges or credentials, each with its text.

        A comma separates parameters and elements alike (RFC 7235 §4.1): a token without an equals
        sign begins the next element.
        """
        what = cls._WHAT
        text = _unfold(text, what)
        elements: list[tuple[Self, str]] = []
        at = _end(_GAP, text, 0)
        while at < len(text) or not elements:
            if len(elements) >= MAX_ELEMENTS:
                raise ParseError(text, f"at most {MAX_ELEMENTS} of them", at, what=what)
            scheme = _SCHEME.match(text, at)
            if scheme is None:
                at = at if at < len(text) else 0
                raise ParseError(text, "an authentication scheme", at, what=what)
            if scheme[2] is not None:
                raise ParseError(text, "white space after the scheme", scheme.end(), what=what)
            start, at = at, scheme.end()
            blob = None if scheme[1].lower() == "digest" else _TOKEN68.match(text, at)
            parameters: list[_Parameter] = []
            if blob is not None:
                at = _end(_GAP, text, blob.end())
            elif text[at : at + 1] in ("", ","):
                at = _end(_GAP, text, at)
            else:
                parameters, at = _parse_parameters(text, at, what)
                if not parameters:
                    raise ParseError(text, "a parameter name and '='", at, what=what)
            value = cls({}, scheme=scheme[1], token68="" if blob is None else blob[0])
            elements.append((value._set(parameters), text[start:at].rstrip(", ")))
        return elements

    def _check(self, text: str) -> None:
        for name in self._REQUIRED if self.is_digest else ():
            if name not in self._index:
                raise ParseError(text, f"a {name} parameter", None, what=self._WHAT)

    realm: str = _text(
        "realm", 'The protection domain (RFC 3261 §22.1); "" where another scheme names none.'
    )
    nonce: str = _text(
        "nonce", "What the server chose for the digest to be made of; opaque to a client."
    )
    opaque: str | None = _text("opaque", "What a client gives back as it is.", None)
    userhash: bool = _flag("userhash", "Whether user names are hashed (RFC 7616 §3.4.4).")

    @property
    def algorithm(self) -> str:
        """The algorithm as it is spelled; "MD5" where none is named (RFC 7616 §3.3)."""
        return self._index.get("algorithm") or "MD5"


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
        words = self._index.get("qop", "").lower().split(",")
        return tuple(word.strip() for word in words if word.strip())

    @property
    def domain(self) -> tuple[str, ...]:
        """The URIs that share the protection space; SIP does not use them (RFC 3261 §22.1)."""
        return tuple(self._index.get("domain", "").split())

    stale: bool = _flag(
        "stale", "Whether only the nonce was wrong, so that the same password is worth another try."
    )
    utf8: bool = _flag(
        "charset",
        "Whether names and passwords are to be in Unicode Normalization Form C (RFC 7616 §4).",
        "utf-8",
    )


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
        index = self._index
        extended = index.get("username*")
        # RFC 7616 §3.4: both names at once are an error.
        for is_right, expected in (
            (("username" in index) != ("username*" in index), "either username or username*"),
            (extended is None or _extended_value(extended) is not None, "username* as UTF-8''name"),
            (not self.qop or _NC.fullmatch(self.nc), "nc as 8 hexadecimal digits"),
            (not self.qop or "cnonce" in index, "a cnonce parameter"),
        ):
            if not is_right:
                raise ParseError(text, expected, None, what=self._WHAT)

    @property
    def username(self) -> str:
        """The user, or its hash where `userhash` says so; `username*` is decoded."""
        extended = self._index.get("username*")
        if extended is not None:
            return _extended_value(extended) or ""
        return self._index.get("username", "")

    uri: str = _text(
        "uri", "The Request-URI that the client sent to; proxies may have changed it since."
    )
    response: str = _text("response", "The proof, in hexadecimal.")
    qop: str = _lower("qop", 'The quality of protection, in lower case; "" for an RFC 2069 client.')
    cnonce: str = _text("cnonce", "What the client chose for the digest to be made of.")
    nc: str = _text("nc", 'The nonce count as it came: 8 hexadecimal digits, or "".')


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
        text = _unfold(", ".join(texts), cls._WHAT)
        parameters, end = _parse_parameters(text, 0, cls._WHAT)
        if not parameters or end < len(text):
            raise ParseError(text, "a parameter name and '='", end, what=cls._WHAT)
        return cls({})._set(parameters)

    nextnonce: str | None = _text("nextnonce", "The nonce that the next request should use.", None)
    rspauth: str | None = _text("rspauth", "The server's proof, in hexadecimal.", None)
    qop: str = _lower(
        "qop",
        'The quality of protection of the response, in lower case; "" where none is named.',
    )
    cnonce: str | None = _text(
        "cnonce", "The client's cnonce, to say which credentials this answers.", None
    )
    nc: str | None = _text(
        "nc", "The client's nonce count, to say which credentials this answers.", None
    )

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

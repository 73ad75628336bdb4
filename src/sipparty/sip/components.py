"""`Host`, `AOR` and `URI`: the addresses of SIP as object graphs (RFC 3261 §19.1, §25.1).

    sip:alice:secret@atlanta.com:5060;transport=tcp?subject=hello
        username password            parameters    headers
        |-------------- AOR ------------|
                     |----- Host -------|

Laws:

* What parses is written back as it came, octet for octet, until it is changed; then what was
  changed is written anew and the rest stays.
* Parts are wire text: `username`, `password`, parameters and headers keep their escapes. What
  cannot stand in a part is refused when it is set, so that no value can write a part, or a line, of
  its own.
* `==` compares values; `URI.equivalent` compares addresses, by RFC 3261 §19.1.4.
* A URI of a scheme other than `sip` and `sips` is kept whole, behind its colon, in
  `absoluteURIPart`.

Beyond the grammar, reading tolerates what `sipparty.sip.pairs` says, and in a host name underscores
and a last label that begins with a digit, since names in the field have them. A host whose last
label is all digits has to be an IPv4 address by RFC 5954 §4.1: `444.555.666.777` is neither.
"""

from __future__ import annotations

import re
from collections import Counter
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Self

from sipparty.deepclass import Attribute, DeepClass
from sipparty.errors import BuildError, Incomplete, ParseError
from sipparty.parse import Parser, decode
from sipparty.sip.pairs import BARRED, ESCAPED, Headers, Parameters, escape, normal, unescape
from sipparty.vb import Delegate

__all__ = ["AOR", "URI", "Headers", "Host", "Parameters", "escape", "unescape"]

_SIP = ("sip", "sips")
_MOST_PORT = 65535
_HOST = "a host name, an IPv4 address or an IPv6 address in brackets"

_NAME = re.compile(r"[A-Za-z0-9._-]++")
# No label is empty, or begins or ends with a hyphen (RFC 3261 §25.1 `domainlabel`); one dot may end
# the name.
_BAD_LABEL = re.compile(r"^[.-]|\.[.-]|-(?:\.|$)")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]++")
_DIGITS = re.compile(r"[0-9]++")
_USER = re.compile(f"(?:[^{BARRED}:]++|{ESCAPED})++")
_PASSWORD = re.compile(f"(?:[^{BARRED}]++|{ESCAPED})*+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+")
_ABSOLUTE = re.compile(f"(?:[^{BARRED}]++|{ESCAPED}|@)++")

# Schemes that a user's text may begin with; before another "name:", "name" may be a host or a user.
_KNOWN_SCHEMES = frozenset(
    ["sip", "sips", "tel", "urn", "im", "pres", "mailto", "xmpp", "h323", "http", "https", "cid"]
)


def _ipv6(address: str) -> IPv6Address:
    """Give the value of an IPv6 address (RFC 5954 §4.1), or raise `AddressValueError`.

    RFC 5118 §4.10: RFC 3261's own grammar made ":::" of the "::" before an IPv4 tail, and that has
    to be tolerated.
    """
    before, three, tail = address.partition(":::")
    return IPv6Address(f"{before}::{tail}" if three and "." in tail else address)


def _read_host(text: str, start: int, what: str) -> tuple[str, int]:
    """Read a host; give its address, without brackets, and where it ends."""
    if text.startswith("[", start):
        found = _IPV6.match(text, start + 1)
        end = start + 1 if found is None else found.end()
        address = text[start + 1 : end]
        try:
            # A zone ("%eth0") means nothing to another host and is in no SIP grammar.
            _ipv6(address)
        except AddressValueError:
            raise ParseError(text, "an IPv6 address inside '[' and ']'", start, what=what) from None
        if not text.startswith("]", end):
            raise ParseError(text, "']' after an IPv6 address", end, what=what)
        return address, end + 1
    found = _NAME.match(text, start)
    if found is None:
        raise ParseError(text, _HOST, start, what=what)
    name = found.group()
    bad = _BAD_LABEL.search(name)
    if bad is not None:
        raise ParseError(
            text, "a host name without stray '.' or '-'", start + bad.start(), what=what
        )
    if name.rstrip(".").rpartition(".")[2].isdigit():
        try:
            IPv4Address(name)
        except AddressValueError:
            raise ParseError(text, _HOST, start, what=what) from None
    return name, found.end()


def _read_port(text: str, start: int, what: str) -> tuple[int, int]:
    """Read a port; give it and where its digits end."""
    found = _DIGITS.match(text, start)
    if found is not None:
        digits = found.group().lstrip("0") or "0"
        # Port 0 is grammatical and cannot be sent to: it is for whoever sends to refuse it.
        if len(digits) <= 5 and int(digits) <= _MOST_PORT:
            return int(digits), found.end()
    raise ParseError(text, f"a port from 0 to {_MOST_PORT}", start, what=what)


def _whole(value: Any, pattern: re.Pattern[str], expected: str, what: str) -> str:
    """Return text if all of it fits."""
    text = decode(value)
    found = pattern.match(text)
    end = 0 if found is None else found.end()
    if found is None or end < len(text):
        raise ParseError(text, expected, end, what=what)
    return text


def _address(value: Any) -> str:
    text = decode(value)
    # Without brackets too, as the attribute holds it: there is no port here for the colons to be
    # mistaken for.
    read = f"[{text}]" if ":" in text and not text.startswith("[") else text
    try:
        address, end = _read_host(read, 0, "host")
    except ParseError as error:
        raise ParseError(text, error.expected, error.position, what="host") from None
    if end < len(read):
        raise ParseError(text, "the end of the host", min(end, len(text)), what="host")
    return address


def _port(value: Any) -> int:
    if isinstance(value, str | bytes):
        text = decode(value)
        port, end = _read_port(text, 0, "port")
        if end < len(text):
            raise ParseError(text, "digits only", end, what="port")
        return port
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a port is an int, not {value!r}")
    if not 0 <= value <= _MOST_PORT:
        raise BuildError(f"{value} is not a port: expected 0 to {_MOST_PORT}.")
    return value


def _username(value: Any) -> str:
    return _whole(value, _USER, "a user whose special characters are escaped", "user")


def _password(value: Any) -> str:
    return _whole(value, _PASSWORD, "a password whose special characters are escaped", "password")


def _scheme(value: Any) -> str:
    return _whole(
        value, _SCHEME, "a letter, then letters, digits, '+', '-' or '.'", "scheme"
    ).lower()


def _absolute(value: Any) -> str:
    return _whole(value, _ABSOLUTE, "visible characters, others escaped", "URI")


def _added_scheme(text: str) -> tuple[str, str]:
    """What has to stand before and behind text that a person typed for it to be a URI."""
    scheme, colon, rest = text.partition(":")
    if not colon:
        return "sip:", ""
    if "[" not in text:
        try:
            IPv6Address(text)
        except AddressValueError:
            pass
        else:
            return "sip:[", "]"
    if scheme.lower() in _KNOWN_SCHEMES:
        return "", ""
    is_scheme = _SCHEME.fullmatch(scheme) and "@" not in rest and not _DIGITS.match(rest)
    return ("" if is_scheme else "sip:"), ""


class _Written:
    """What can be written: `bytes()` is the text as it goes on the wire."""

    __slots__ = ()

    def __bytes__(self) -> bytes:
        return str(self).encode("utf-8", "surrogateescape")


class Host(_Written, Parser, DeepClass):
    """A host with an optional port: `atlanta.com`, `192.0.2.4:5060`, `[2001:db8::1]:5061`.

    Args:
        address: A host name or an IP address, `str` or `bytes`. An IPv6 address is kept without its
            brackets and written with them.
        port: 0 to 65535; None where none is given, which is not the same as the default port (RFC
            3261 §19.1.4).

    Raises:
        ParseError: The address is none.
        BuildError: The port is out of range.
    """

    port = Attribute(int, convert=_port)
    address = Attribute(str, convert=_address)

    def __init__(self, address: str | bytes | None = None, port: int | None = None) -> None:
        super().__init__(address=address, port=port)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `host [":" port]` (RFC 3261 §25.1 `hostport`)."""
        host, end = cls._read(text, 0, "host")
        if end < len(text):
            raise ParseError(
                text, "the end" if host.port is not None else "':' or the end", end, what="host"
            )
        return host

    @classmethod
    def _read(cls, text: str, start: int, what: str) -> tuple[Self, int]:
        address, end = _read_host(text, start, what)
        host = cls.__new__(cls)
        host.__dict__["address"] = address
        if text.startswith(":", end):
            start = end + 1
            port, end = _read_port(text, start, what)
            host.__dict__["port"] = port
            if text[start] == "0":
                host.__dict__["_port_spelling"] = (port, text[start:end])
        return host, end

    def __str__(self) -> str:
        if self.address is None:
            raise Incomplete("Host has no address yet.")
        text = f"[{self.address}]" if ":" in self.address else self.address
        if self.port is None:
            return text
        # "05060" stays so while the port does.
        port, spelling = self.__dict__.get("_port_spelling", (None, ""))
        return f"{text}:{spelling if port == self.port else self.port}"

    @property
    def is_ip(self) -> bool:
        """Whether the address is an IP address and not a name."""
        return not isinstance(self._key(), str)

    def _key(self) -> str | IPv4Address | IPv6Address:
        """What tells hosts apart: names by letter, IP addresses by value (RFC 5954 §4.2)."""
        address = self.address or ""
        if ":" in address:
            return _ipv6(address)
        # Only an IPv4 address ends in a digit-only label.
        return IPv4Address(address) if address.rpartition(".")[2].isdigit() else address.lower()


class AOR(_Written, Parser, DeepClass):
    """An address of record: `alice@atlanta.com`, a user at a host.

    Args:
        username: The user as on the wire, escapes and all; None where there is none.
        host: A `Host` or text that is one.
        password: The password, which RFC 3261 §19.1.1 advises against; shown in the `repr` only
            where there is one.

    Raises:
        ParseError: Text cannot stand there; `escape` writes it so that it can.
    """

    username = Attribute(str, convert=_username)
    host = Attribute(Host)
    password = Attribute(str, convert=_password, hide_default=True)

    address = Delegate[str | None]("host.address")
    port = Delegate[int | None]("host.port")

    def __init__(
        self,
        username: str | bytes | None = None,
        host: Host | str | bytes | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(username=username, host=host, **attributes)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `[user [":" password] "@"] host [":" port]`."""
        if text[:5].lower().startswith(("sip:", "sips:")) and "@" in text:
            # It would read as the user "sip" with a password: surely not what was meant.
            raise ParseError(text, "an address of record without a scheme", 0, what="AOR")
        aor, end = cls._read(text, 0, "AOR")
        if end < len(text):
            raise ParseError(text, "the end", end, what="AOR")
        return aor

    @classmethod
    def _read(cls, text: str, start: int, what: str) -> tuple[Self, int]:
        aor = cls.__new__(cls)
        # A user may hold ";", "?" and "/", but nothing in a URI holds an unescaped "@" except what
        # ends the user.
        at = text.find("@", start)
        if at >= 0:
            found = _USER.match(text, start)
            if found is None:
                raise ParseError(text, "a user before '@'", start, what=what)
            aor.__dict__["username"] = found.group()
            end = found.end()
            if text[end] == ":":
                found = _PASSWORD.match(text, end + 1)
                assert found is not None  # it may be empty
                aor.__dict__["password"] = found.group()
                end = found.end()
            if end != at:
                raise ParseError(text, "'@', or a character a user may hold", end, what=what)
            start = at + 1
        aor.__dict__["host"], end = Host._read(text, start, what)
        return aor, end

    def __str__(self) -> str:
        if self.host is None:
            raise Incomplete("AOR has no host yet.")
        if self.username is None:
            if self.password is not None:
                raise BuildError("An AOR cannot have a password without a username.")
            return str(self.host)
        password = "" if self.password is None else f":{self.password}"
        return f"{self.username}{password}@{self.host}"


class URI(_Written, Parser, DeepClass):
    """A SIP, SIPS or other URI (RFC 3261 §19.1.1).

        uri = URI.parse("sip:alice@atlanta.com;transport=tcp")
        uri.aor.username, uri.port, uri.parameters["transport"]
        uri.host = "biloxi.com:5070"
        URI(aor="bob@biloxi.com", parameters={"lr": None})

    Args:
        headers: `Headers`, a mapping or text.
        absoluteURIPart: What follows the scheme's colon in a URI that is not SIP's, such as
            "+1-201-555-0123" of a `tel` URI (RFC 3966); None in one that is.
        scheme: In lower case; "sip" by default.
        aor: An `AOR` or text that is one; None in a URI that is not SIP's.
        parameters: `Parameters`, a mapping or text.

    Raises:
        ParseError: Text cannot stand there.
        Incomplete: By `str()` and `bytes()`: there is neither an aor nor an absoluteURIPart.
        BuildError: By `str()` and `bytes()`: an absoluteURIPart goes with an aor or with the scheme
            of SIP.
    """

    headers = Attribute(Headers, factory=Headers, convert=Headers.of)
    absoluteURIPart = Attribute(str, convert=_absolute)  # noqa: N815 - the name the contract fixes
    scheme = Attribute(str, default="sip", convert=_scheme)
    aor = Attribute(AOR)
    parameters = Attribute(Parameters, factory=Parameters, convert=Parameters.of)

    username = Delegate[str | None]("aor.username")
    password = Delegate[str | None]("aor.password")
    host = Delegate[Host | None]("aor.host")
    address = Delegate[str | None]("aor.host.address")
    port = Delegate[int | None]("aor.host.port")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a URI (RFC 3261 §25.1 `SIP-URI`, `SIPS-URI` and `absoluteURI`)."""
        found = _SCHEME.match(text)
        end = 0 if found is None else found.end()
        if found is None or not text.startswith(":", end):
            raise ParseError(text, "a scheme followed by ':'", end, what="URI")
        uri = cls.__new__(cls)
        values = uri.__dict__
        values["scheme"] = scheme = found.group().lower()
        if scheme != found.group():
            values["_scheme_spelling"] = found.group()
        end += 1
        if scheme not in _SIP:
            found = _ABSOLUTE.match(text, end)
            if found is None or found.end() < len(text):
                at = end if found is None else found.end()
                raise ParseError(text, "visible characters, others escaped", at, what="URI")
            values["absoluteURIPart"] = found.group()
            return uri
        values["aor"], end = AOR._read(text, end, "URI")
        if end < len(text):
            start, end = end, Parameters.scan(text, end)
            values["parameters"] = Parameters._as_is(text[start:end])
            start, end = end, Headers.scan(text, end)
            values["headers"] = Headers._as_is(text[start:end])
            if end < len(text):
                raise ParseError(text, "';name=value', '?name=value' or the end", end, what="URI")
        return uri

    @classmethod
    def from_user_text(cls, text: str | bytes | URI | AOR) -> URI:
        """Return a URI from what people type, such as `alice@atlanta.com` or `10.0.0.2:5060`.

        Where there is no scheme, "sip:" is put in front. Text in front of a colon is a scheme if it
        is a known one, or if what follows is neither a port nor holds the "@" of a user with a
        password. A bare IPv6 address is taken for a host.

        Args:
            text: Text, or a URI (returned as it is) or an AOR (taken into a `sip` URI).

        Raises:
            ParseError: It is no URI, with or without a scheme.
            TypeError: It is nothing of the kind.
        """
        if isinstance(text, URI):
            return text
        if isinstance(text, AOR):
            return cls(aor=text)
        typed = decode(text)
        stripped = typed.strip()
        added, closing = _added_scheme(stripped)
        try:
            return cls.from_text(added + stripped + closing)
        except ParseError as error:
            # Speak of what was typed, not of what was made of it.
            shift = len(typed) - len(typed.lstrip()) - len(added)
            position = min(max(0, (error.position or 0) + shift), len(typed))
            raise ParseError(typed, error.expected, position, what="URI") from error

    def __str__(self) -> str:
        spelling: str = self.__dict__.get("_scheme_spelling", "")
        scheme = spelling if spelling.lower() == self.scheme else self.scheme
        rest = self.absoluteURIPart
        if rest is None:
            if self.aor is None:
                raise Incomplete("URI has no aor yet.")
            rest = str(self.aor)
        elif self.aor is not None or self.scheme in _SIP:
            raise BuildError(
                f"A URI with the absoluteURIPart {rest!r} can have neither an aor nor "
                "the scheme 'sip' or 'sips'."
            )
        return f"{scheme}:{rest}{self.parameters}{self.headers}"

    def equivalent(self, other: URI) -> bool:
        """Whether two URIs name the same resource, by RFC 3261 §19.1.4 with RFC 5954 §4.2.

        It is not `==`, nor is it transitive: a parameter that only one of them has is mostly
        ignored. URIs that are not SIP's are equivalent if they are the same but for the scheme's
        case and needless escapes.
        """
        return _equivalent(self, other)


# Parameters that have to be in both or in neither (§19.1.4). `transport` is one by the rule for
# components that have a default value, and by the RFC's own examples.
_NEVER_IGNORED = (b"user", b"ttl", b"method", b"maddr", b"transport")
# Values that are compared with regard to case: method names (§7.1), a Call-ID (§8.1.1.4), and the
# body.
_CASE_MATTERS = frozenset((b"method", b"body", b"call-id", b"i"))


def _pair_values(pairs: Parameters | Headers) -> list[tuple[bytes, bytes | None]]:
    values = []
    for name, value in pairs.pairs():
        key = normal(name).lower()
        octets = None if value is None else normal(value)
        values.append((key, octets if octets is None or key in _CASE_MATTERS else octets.lower()))
    return values


def _equivalent(one: URI, other: URI) -> bool:
    if one.scheme != other.scheme:
        return False
    if one.absoluteURIPart is not None or other.absoluteURIPart is not None:
        # No rules of other schemes are known here; what RFC 2396 says of all of them is.
        wholes = [
            uri.absoluteURIPart is not None
            and normal(f"{uri.absoluteURIPart}{uri.parameters}{uri.headers}")
            for uri in (one, other)
        ]
        return wholes[0] == wholes[1]
    for mine, theirs in ((one.username, other.username), (one.password, other.password)):
        if (mine and normal(mine)) != (theirs and normal(theirs)):
            return False
    here, there = one.host or Host(), other.host or Host()
    if here._key() != there._key() or here.port != there.port:
        return False
    # A name that is there twice, against §19.1.1, counts by its first value, as in `Parameters`.
    ours = dict(reversed(_pair_values(one.parameters)))
    its = dict(reversed(_pair_values(other.parameters)))
    if any((name in ours) != (name in its) for name in _NEVER_IGNORED):
        return False
    if any(ours[name] != its[name] for name in ours.keys() & its.keys()):
        return False
    # Headers are never ignored; a header may be there more than once.
    return Counter(_pair_values(one.headers)) == Counter(_pair_values(other.headers))

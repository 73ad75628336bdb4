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

What is read, and what is tolerated beyond the RFC, is that of `sipparty.sip.uri_grammar`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Self

from sipparty.deepclass import Attribute, DeepClass
from sipparty.errors import BuildError, Incomplete, ParseError
from sipparty.late import late_pattern
from sipparty.parse import Parser, decode
from sipparty.sip.uri_grammar import (
    ABSOLUTE,
    PASSWORD,
    SCHEME,
    USER,
    HostPort,
    read_aor,
    read_host,
    read_hostport,
    read_ipv6,
    read_port,
    read_uri,
)
from sipparty.sip.uri_parameters import Headers, Parameters, escape, normal, unescape
from sipparty.vb import Delegate

__all__ = ["AOR", "URI", "Headers", "Host", "Parameters", "escape", "unescape"]

_SIP = ("sip", "sips")
#: What is no scheme, but was meant to be one of these.
_MISSPELT = late_pattern("s+i+p+s*|spis?|isps?|sisp", re.IGNORECASE)
_MOST_PORT = 65535
_DIGITS = late_pattern(r"[0-9]++")

# Schemes that a user's text may begin with; before another "name:", "name" may be a host or a user.
_KNOWN_SCHEMES = frozenset(
    ["sip", "sips", "tel", "urn", "im", "pres", "mailto", "xmpp", "h323", "http", "https", "cid"]
)


def _whole(pattern: re.Pattern[str], expected: str, what: str) -> Callable[[Any], str]:
    """Make a function that returns text if all of it fits."""

    def check(value: Any) -> str:
        text = decode(value)
        found = pattern.match(text)
        end = 0 if found is None else found.end()
        if found is None or end < len(text):
            raise ParseError(text, expected, end, what=what)
        return text

    return check


def _address(value: Any) -> str:
    text = decode(value)
    # Without brackets too, as the attribute holds it: there is no port here for the colons to be
    # mistaken for.
    read = f"[{text}]" if ":" in text and not text.startswith("[") else text
    try:
        address, end = read_host(read, 0, "host")
    except ParseError as error:
        raise ParseError(text, error.expected, error.position, what="host") from None
    if end < len(read):
        raise ParseError(text, "the end of the host", min(end, len(text)), what="host")
    return address


def _port(value: Any) -> int:
    if isinstance(value, str | bytes):
        text = decode(value)
        port, end = read_port(text, 0, "port")
        if end < len(text):
            raise ParseError(text, "digits only", end, what="port")
        return port
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a port is an int, not {value!r}")
    if not 0 <= value <= _MOST_PORT:
        raise BuildError(f"{value} is not a port: expected 0 to {_MOST_PORT}.")
    return value


_username = _whole(USER, "a user whose special characters are escaped", "user")
_password = _whole(PASSWORD, "a password whose special characters are escaped", "password")
_scheme = _whole(SCHEME, "a letter, then letters, digits, '+', '-' or '.'", "scheme")
_absolute = _whole(ABSOLUTE, "visible characters, others escaped", "URI")


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
    if _MISSPELT.fullmatch(scheme):
        # It would read as a user with a password: surely not what was meant.
        raise ParseError(text, f"the scheme sip or sips, not {scheme!r}", 0, what="URI")
    is_scheme = SCHEME.fullmatch(scheme) and "@" not in rest and not _DIGITS.match(rest)
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
        read, end = read_hostport(text, 0, "host")
        if end < len(text):
            raise ParseError(
                text, "the end" if read.port is not None else "':' or the end", end, what="host"
            )
        return cls._of(read)

    @classmethod
    def _of(cls, read: HostPort) -> Self:
        """Make the object of what was read."""
        host = cls.__new__(cls)
        values = host.__dict__
        values["address"], port, digits = read
        if port is not None:
            values["port"] = port
            if digits[0] == "0":
                values["_port_spelling"] = (port, digits)
        return host

    def __str__(self) -> str:
        values = self.__dict__  # a call reads it often, and the attributes are dearer
        text, number = values.get("address"), values.get("port")
        if text is None:
            raise Incomplete("Host has no address yet.")
        if ":" in text:
            text = f"[{text}]"
        if number is None:
            return str(text)
        # "05060" stays so while the port does.
        port, spelling = values.get("_port_spelling", (None, ""))
        return f"{text}:{spelling if port == number else number}"

    @property
    def is_ip(self) -> bool:
        """Whether the address is an IP address and not a name."""
        return not isinstance(self._key(), str)

    def _key(self) -> str | IPv4Address | IPv6Address:
        """What distinguishes hosts: names by letter, IP addresses by value (RFC 5954 §4.2)."""
        address = self.address or ""
        if ":" in address:
            return read_ipv6(address)
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
        user, password, hostport, end = read_aor(text, 0, "AOR")
        if end < len(text):
            raise ParseError(text, "the end", end, what="AOR")
        return cls._of(user, password, hostport)

    @classmethod
    def _of(cls, user: str | None, password: str | None, hostport: HostPort) -> Self:
        """Make the object of what was read."""
        aor = cls.__new__(cls)
        values = aor.__dict__
        if user is not None:
            values["username"] = user
            if password is not None:
                values["password"] = password
        values["host"] = Host._of(hostport)
        return aor

    def __str__(self) -> str:
        values = self.__dict__
        host, user, password = map(values.get, ("host", "username", "password"))
        if host is None:
            raise Incomplete("AOR has no host yet.")
        if user is None:
            if password is not None:
                raise BuildError("An AOR cannot have a password without a username.")
            return str(host)
        return f"{user}@{host}" if password is None else f"{user}:{password}@{host}"


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
    scheme = Attribute(str, default="sip", convert=lambda value: _scheme(value).lower())
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
        spelling, rest, user, password, hostport, parameters, headers = read_uri(text)
        uri = cls.__new__(cls)
        values = uri.__dict__
        values["scheme"] = scheme = spelling.lower()
        if scheme != spelling:
            values["_scheme_spelling"] = spelling
        if hostport is None:
            values["absoluteURIPart"] = rest
            return uri
        values["aor"] = AOR._of(user, password, hostport)
        if parameters:
            values["parameters"] = Parameters._as_is(parameters)
        if headers:
            values["headers"] = Headers._as_is(headers)
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
            # Name what was typed, not of what was made of it.
            shift = len(typed) - len(typed.lstrip()) - len(added)
            position = min(max(0, (error.position or 0) + shift), len(typed))
            raise ParseError(typed, error.expected, position, what="URI") from error

    def __str__(self) -> str:
        values = self.__dict__
        spelling: str = values.get("_scheme_spelling", "")
        scheme = values.get("scheme", "sip")
        rest, aor = values.get("absoluteURIPart"), values.get("aor")
        if rest is None:
            if aor is None:
                raise Incomplete("URI has no aor yet.")
            rest = str(aor)
        elif aor is not None or scheme in _SIP:
            raise BuildError(
                f"A URI with the absoluteURIPart {rest!r} can have neither an aor nor "
                "the scheme 'sip' or 'sips'."
            )
        if spelling.lower() == scheme:
            scheme = spelling
        return f"{scheme}:{rest}{values.get('parameters', '')}{values.get('headers', '')}"

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

"""The lines of a session description, one small type each (RFC 8866 Section 5).

Promises of this module:

1. Each type is frozen, checks its values as it is made and writes its line's value with `str()`.
   The check of the constructor is the only one: reading a description makes the same objects, and
   turns their `BuildError` into a `ParseError`.
2. No value holds CR, LF or NUL, so that no value can grow into a second line.
3. Text that is not UTF-8 survives: descriptions are decoded with "surrogateescape" and encoded
   alike (RFC 8866 Section 5 lets `a=charset` name another character set).

| line | type | example of `str()` |
|---|---|---|
| o= | `Origin` | `- 1 1 IN IP4 192.0.2.1` |
| c= | `Connection` | `IN IP4 233.252.0.1/127/3` |
| b= | `Bandwidth` | `AS:64` |
| a= | `Attribute` | `rtpmap:0 PCMU/8000` |
| any other letter | `UnknownLine` | |
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from sipparty.sdp.grammar import (
    ADDRESS,
    ANY_TEXT,
    ATTRIBUTE_NAME,
    LARGEST,
    LETTER,
    NON_SPACE,
    TOKEN,
    InvalidValue,
    check_integer,
    check_pattern,
    integer,
    words,
)

__all__ = [
    "Attribute",
    "Bandwidth",
    "Connection",
    "Direction",
    "Origin",
    "UnknownLine",
]


_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")

#: Attributes that hold keys, which `repr` does not show, and where (RFC 4568 Section 9.1, RFC 4567
#: Section 3, RFC 8839 Section 5.4).
_SECRETS = {
    "crypto": re.compile(r"\b(inline:)[^ \t;|]+", re.IGNORECASE),
    "key-mgmt": re.compile(r"( +)[^ ]+"),
    "ice-pwd": re.compile(r"\A()(?s:.*)"),
}


def _address_type(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


class Direction(StrEnum):
    """The direction of media, from the side that says it (RFC 8866 Section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise InvalidValue(value, f"one of {', '.join(cls)} as direction")

    @classmethod
    def of(cls, sends: bool, receives: bool) -> Direction:
        """The direction of a side that sends, receives, both or neither."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        """Whether the side that says it sends media."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the side that says it receives media."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> Direction:
        """The same flow as the other side sees it."""
        return Direction.of(sends=self.receives, receives=self.sends)

    def restricted(self, other: Direction) -> Direction:
        """What both directions, said by one side, allow."""
        return Direction.of(self.sends and other.sends, self.receives and other.receives)


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line: who made the description, and which version it is (RFC 8866 Section 5.2).

    Args:
        username: The user's login, or "-".
        session_id: Names the session together with the rest of the line. Offers and answers keep it
            below 2**63 (RFC 3264 Section 5).
        version: Goes up by one with each change (RFC 3264 Section 8).
        address: Of the machine that made the description: IP address or domain name.
        addrtype: "IP4" or "IP6".
        nettype: "IN" for the Internet.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    username: str
    session_id: int
    version: int
    address: str
    addrtype: str = "IP4"
    nettype: str = "IN"

    def __post_init__(self) -> None:
        check_pattern(self.username, NON_SPACE, "user name in o=")
        check_integer(self.session_id, 0, LARGEST, "session id in o=")
        check_integer(self.version, 0, LARGEST, "session version in o=")
        check_pattern(self.nettype, TOKEN, "network type in o=")
        check_pattern(self.addrtype, TOKEN, "address type in o=")
        check_pattern(self.address, NON_SPACE, "address in o=")

    @classmethod
    def of(cls, address: str, session_id: int = 0, version: int = 0, username: str = "-") -> Origin:
        """The origin at an Internet address, whose type is seen from its form."""
        return cls(username, session_id, version, address, _address_type(address))

    @classmethod
    def read(cls, value: str) -> Origin:
        """The origin that the value of an o= line says; raises `BuildError`."""
        shape = "'<username> <sess-id> <sess-version> <nettype> <addrtype> <address>' in o="
        username, session_id, version, nettype, addrtype, address = words(value, shape, 6, 6)
        return cls(
            username,
            integer(session_id, "session id in o="),
            integer(version, "session version in o="),
            address,
            addrtype,
            nettype,
        )

    def __str__(self) -> str:
        return (
            f"{self.username} {self.session_id} {self.version}"
            f" {self.nettype} {self.addrtype} {self.address}"
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """A c= line: where media goes to (RFC 8866 Section 5.7).

    Args:
        address: IP address or domain name, without what follows a slash.
        addrtype: "IP4" or "IP6".
        nettype: "IN" for the Internet.
        ttl: Time to live of IP4 multicast, 0 to 255; None where none is given.
        count: The number of consecutive multicast addresses; None where none is given, which means
            one.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    address: str
    addrtype: str = "IP4"
    nettype: str = "IN"
    ttl: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        check_pattern(self.nettype, TOKEN, "network type in c=")
        check_pattern(self.addrtype, TOKEN, "address type in c=")
        check_pattern(self.address, ADDRESS, "address in c=")
        if self.ttl is not None:
            check_integer(self.ttl, 0, 255, "TTL in c=")
            if self.addrtype == "IP6":
                # RFC 8866 Section 5.7: "IP6" multicast does not use TTL scoping.
                raise InvalidValue(self.ttl, "no TTL in a c= of address type IP6")
        if self.count is not None:
            check_integer(self.count, 1, LARGEST, "number of addresses in c=")
            if self.ttl is None and self.addrtype == "IP4":
                raise InvalidValue(self.count, "a TTL before the number of addresses in c=")

    @classmethod
    def of(cls, address: str) -> Connection:
        """The connection at one Internet address, whose type is seen from its form."""
        return cls(address, _address_type(address))

    @classmethod
    def read(cls, value: str) -> Connection:
        """The connection that the value of a c= line says; raises `BuildError`."""
        shape = "'<nettype> <addrtype> <address>' in c="
        nettype, addrtype, address = words(value, shape, 3, 3)
        address, *tail = address.split("/")
        numbers = [integer(number, "number after '/' in c=") for number in tail]
        if addrtype == "IP6":
            numbers.insert(0, -1)
        if len(numbers) > 2:
            raise InvalidValue(value, "at most a TTL and a number of addresses in c=")
        ttl = numbers[0] if numbers and addrtype != "IP6" else None
        return cls(address, addrtype, nettype, ttl, numbers[1] if len(numbers) > 1 else None)

    @property
    def is_unspecified(self) -> bool:
        """Whether nothing can be sent there: 0.0.0.0, the hold of RFC 2543 (RFC 3264 Section 8.4),
        or its like in IPv6.
        """
        return self.address == "0.0.0.0" or (  # noqa: S104  (compared, not bound)
            self.addrtype == "IP6" and _ip(self.address) == ipaddress.IPv6Address(0)
        )

    @property
    def is_multicast(self) -> bool:
        """Whether the address is an IP multicast group."""
        ip = _ip(self.address)
        return ip is not None and ip.is_multicast

    @property
    def fault(self) -> tuple[int, str] | None:
        """Why no media can be sent there, whoever says so: the code of a Warning (RFC 3261 Section
        20.43) and a clause. None where it can, and for the address of a hold.
        """
        if self.nettype.upper() != "IN":
            return 300, f"the network type {self.nettype} is not known"
        if self.addrtype.upper() not in ("IP4", "IP6"):
            return 301, f"the address type {self.addrtype} is not known"
        ip = _ip(self.address)
        if ip is None:
            return None if _is_name(self.address) else (301, f"{self.address!r} is no address")
        if self.is_unspecified:
            return None
        if isinstance(ip, ipaddress.IPv6Address):
            if ip.scope_id is not None or ip.is_unspecified:
                return 301, f"{self.address!r} is no address of a host"
            ip = ip.ipv4_mapped or ip
        if ip.is_multicast:
            return 330, "multicast is not supported"
        if isinstance(ip, ipaddress.IPv4Address) and (ip.is_reserved or ip.packed[0] == 0):
            # RFC 1122 Section 3.2.1.3: broadcast is among what is reserved.
            return 301, f"{self.address!r} is no address of a host"
        return None

    def __str__(self) -> str:
        tail = "".join(f"/{number}" for number in (self.ttl, self.count) if number is not None)
        return f"{self.nettype} {self.addrtype} {self.address}{tail}"


def _is_name(address: str) -> bool:
    """Whether it is a domain name: its last label is no number, as that of an address is."""
    labels = address.removesuffix(".").split(".")
    return not labels[-1].isdigit() and all(_LABEL.fullmatch(label) for label in labels)


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A b= line (RFC 8866 Section 5.8).

    Args:
        type: What is limited: "AS" and "CT" in kbit/s, "TIAS", "RS" and "RR" in bit/s.
        value: The limit, in the unit of its type.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    type: str
    value: int

    def __post_init__(self) -> None:
        check_pattern(self.type, TOKEN, "bandwidth type in b=")
        check_integer(self.value, 0, LARGEST, "bandwidth in b=")

    @classmethod
    def read(cls, value: str) -> Bandwidth:
        """The bandwidth that the value of a b= line says; raises `BuildError`."""
        kind, colon, number = value.strip(" ").partition(":")
        if not colon:
            raise InvalidValue(value, "'<bwtype>:<bandwidth>' in b=")
        return cls(kind, integer(number.strip(" "), "bandwidth in b="))

    def __str__(self) -> str:
        return f"{self.type}:{self.value}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An a= line (RFC 8866 Section 5.13). `repr` shows no key that it may hold.

    Args:
        name: What stands before the first colon. Not held to the grammar's token, since what is not
            understood must be ignored and not refused.
        value: What stands after it; None for a property attribute, which has no colon.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    name: str
    value: str | None = None

    def __post_init__(self) -> None:
        check_pattern(self.name, ATTRIBUTE_NAME, "attribute name in a=")
        if self.value is not None:
            check_pattern(self.value, ANY_TEXT, "attribute value in a=")

    @classmethod
    def read(cls, value: str) -> Attribute:
        """The attribute that the value of an a= line says; raises `BuildError`."""
        name, colon, rest = value.partition(":")
        # Padding after a bare name is not part of it; a value's own spaces may be.
        return cls(name, rest) if colon else cls(name.rstrip(" "))

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"

    def __repr__(self) -> str:
        value, secret = self.value, _SECRETS.get(self.name)
        if value is not None and secret is not None:
            value = secret.sub(r"\1***", value)
        return f"{type(self).__name__}(name={self.name!r}, value={value!r})"


@dataclass(frozen=True, slots=True)
class UnknownLine:
    """A line whose letter RFC 8866 does not define, kept as it came.

    Args:
        letter: One letter.
        value: What stands after "=".

    Raises:
        BuildError: A value cannot stand in the line.
    """

    letter: str
    value: str

    def __post_init__(self) -> None:
        check_pattern(self.letter, LETTER, "type of a line")
        check_pattern(self.value, ANY_TEXT, "value of a line")

    def __str__(self) -> str:
        return self.value

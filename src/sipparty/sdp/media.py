"""The m= section of a session description (RFC 8866 Section 5.14), and what its attributes say.

Promises of this module:

1. `MediaDescription` is frozen; a change makes another one (`with_attribute`, `with_direction`,
   `dataclasses.replace`).
2. Attributes are kept in order, understood or not. Views of them (`direction`, `rtpmap`, `ptime`,
   ...) never raise: an attribute whose value is malformed says nothing, as one that is not
   understood (RFC 8866 Section 5).
3. What a section does not say it takes from the session level, where RFC 8866 lets it: `direction`,
   `connection_or_session`, `inherited()`. A section has a session level only inside a
   `SessionDescription`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from sipparty.sdp.fields import Attribute, Bandwidth, Connection, Direction, UnknownLine
from sipparty.sdp.formats import (
    STATIC_PAYLOAD_TYPES,
    Format,
    FormatLike,
    RTPMap,
    assign_payload_types,
    payload_type,
)
from sipparty.sdp.grammar import (
    MAX_DIGITS,
    NON_SPACE,
    TEXT,
    TOKEN,
    InvalidValue,
    check_integer,
    check_pattern,
    integer,
    spaced,
)

__all__ = [
    "LINES",
    "AttributeHolder",
    "LineTable",
    "MediaDescription",
    "RTCPAddress",
    "coerced",
    "text",
]

_MILLISECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_BAD_PORT = re.compile(rf"( *[^ ]+ +)(-?[0-9]{{1,{MAX_DIGITS}}})([ /].*)", re.ASCII | re.DOTALL)
_FMTP = re.compile(r"([0-9]{1,3}) +(.*)", re.ASCII | re.DOTALL)
_DIRECTIONS = tuple(direction.value for direction in Direction)


#: How the lines of a section are read and written, in order: by letter, the field they belong to,
#: whether there may be several, and what makes the value.
LineTable = Mapping[str, tuple[str, bool, Callable[[str], Any]]]


def text(value: str) -> str:
    """The value of a line of text; raises `BuildError`."""
    check_pattern(value, TEXT, "what follows '='")
    return value


#: Those of a media section but m= (RFC 8866 Section 5).
LINES: LineTable = {
    "i": ("title", False, text),
    "c": ("connections", True, Connection.read),
    "b": ("bandwidths", True, Bandwidth.read),
    "k": ("key", False, text),
    "a": ("attributes", True, Attribute.read),
}


def coerced(holder: object, *names: str) -> None:
    """Make tuples of the named fields of a frozen dataclass, so that a list will do where one is
    asked for.
    """
    for name in names:
        object.__setattr__(holder, name, tuple(getattr(holder, name)))


class AttributeHolder:
    """What the session level and the media sections have in common: a list of attributes."""

    attributes: tuple[Attribute, ...]
    unknown: tuple[UnknownLine, ...]

    def _lines(self, table: LineTable) -> Iterator[tuple[str, object]]:
        """The letters and values of the lines that a table has, and then of the unknown ones."""
        for letter, (name, several, _) in table.items():
            found = getattr(self, name)
            for value in found if several else (found,):
                if value is not None:
                    yield letter, value
        for line in self.unknown:
            yield line.letter, line

    def has(self, name: str) -> bool:
        """Whether there is an attribute of that name. Names are compared letter by letter."""
        return any(attribute.name == name for attribute in self.attributes)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of all attributes of that name, in order; without those that have none."""
        return tuple(a.value for a in self.attributes if a.name == name and a.value is not None)

    def value(self, name: str) -> str | None:
        """The value of the first attribute of that name that has one; None where there is none."""
        return next(iter(self.values(name)), None)

    def with_attribute(self, name: str, value: str | None = None) -> Self:
        """A copy with this attribute in the place of all of its name, or at the end where there was
        none.
        """
        new = Attribute(name, value)
        kept: list[Attribute] = []
        for attribute in self.attributes:
            if attribute.name != name:
                kept.append(attribute)
            elif new not in kept:
                kept.append(new)
        if new not in kept:
            kept.append(new)
        return self._with_attributes(kept)

    def without_attribute(self, *names: str) -> Self:
        """A copy without the attributes of these names."""
        return self._with_attributes([a for a in self.attributes if a.name not in names])

    def _with_attributes(self, attributes: list[Attribute]) -> Self:
        raise NotImplementedError

    @property
    def own_direction(self) -> Direction | None:
        """The direction that is said here, not inherited; the first, where a description says
        several.
        """
        for attribute in self.attributes:
            if attribute.value is None and attribute.name in _DIRECTIONS:
                return Direction(attribute.name)
        return None


@dataclass(frozen=True, slots=True)
class RTCPAddress:
    """Where RTCP goes, as `a=rtcp` says it (RFC 3605).

    Args:
        port: 1 to 65535.
        connection: The address; None where it is that of the media.
    """

    port: int
    connection: Connection | None = None

    @classmethod
    def read(cls, value: str) -> RTCPAddress | None:
        """What the value of an rtcp attribute says; None where it is malformed."""
        words = value.split(maxsplit=1)
        try:
            port = integer(words[0], "port") if words else 0
            connection = Connection.read(words[1]) if len(words) > 1 else None
        except InvalidValue:
            return None
        return cls(port, connection) if 0 < port < 65536 else None

    def __str__(self) -> str:
        return str(self.port) if self.connection is None else f"{self.port} {self.connection}"


@dataclass(frozen=True)
class MediaDescription(AttributeHolder):
    """One stream of a session: its m= line and those that follow it.

    `MediaDescription.rtp` is the short form to make one.

    Args:
        media: "audio", "video", "image", "message", ...
        port: Where the media goes to, 0 to 65535. 0 says that the stream is not wanted (RFC 3264
            Section 5.1).
        proto: The transport protocol, such as "RTP/AVP".
        formats: The formats as they stand in the m= line: for RTP, payload types in decimal. None
            at all is tolerated in a section with port 0.
        port_count: How many ports follow one another; None where the line does not say.
        title: The i= line.
        connections: The c= lines; more than one only for multicast.
        bandwidths: The b= lines.
        key: The obsolete k= line; not shown by `repr`.
        attributes: The a= lines.
        unknown: Lines of other letters.
        bad_port: What stood in the place of the port where that was none; None where it was one.

    Raises:
        BuildError: A value cannot stand in a session description.
    """

    media: str
    port: int
    proto: str
    formats: tuple[str, ...]
    port_count: int | None = None
    title: str | None = None
    connections: tuple[Connection, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    key: str | None = field(default=None, repr=False)
    attributes: tuple[Attribute, ...] = ()
    unknown: tuple[UnknownLine, ...] = ()
    bad_port: str | None = field(default=None, repr=False, compare=False)
    _session_attributes: tuple[Attribute, ...] = field(
        default=(), init=False, repr=False, compare=False
    )
    _session_connection: Connection | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if isinstance(self.formats, str):
            raise InvalidValue(self.formats, "a tuple of formats in m=")
        coerced(self, "formats", "connections", "bandwidths", "attributes", "unknown")
        check_pattern(self.media, TOKEN, "media type in m=")
        check_integer(self.port, 0, 65535, "port in m=")
        if self.port_count is not None:
            check_integer(self.port_count, 1, 65535, "number of ports in m=")
        check_pattern(self.proto, NON_SPACE, "transport protocol in m=")
        for name in self.formats:
            check_pattern(name, NON_SPACE, "format in m=")
        if not self.formats and self.port:
            raise InvalidValue("", "at least one format in m=")
        for text, place in ((self.title, "media title in i="), (self.key, "key in k=")):
            if text is not None:
                check_pattern(text, TEXT, place)

    @classmethod
    def rtp(
        cls,
        media: str,
        port: int,
        formats: Iterable[FormatLike],
        *,
        proto: str = "RTP/AVP",
        direction: Direction | str = Direction.SENDRECV,
        ptime: float | None = None,
        maxptime: float | None = None,
        connection: Connection | None = None,
        attributes: Iterable[Attribute] = (),
    ) -> MediaDescription:
        """An RTP stream with its rtpmap and fmtp attributes.

        Args:
            media: "audio", "video", ...
            port: Where RTP goes to.
            formats: In order of preference; each as `Format.of` takes it. Those without a payload
                type are given one.
            proto: The RTP profile. Where it is no RTP, the formats' names stand in the m= line.
            direction: From the viewpoint of the side that describes; `sendrecv` is written too.
            ptime: Milliseconds of media in a packet that one would like to receive.
            maxptime: Milliseconds of media that a packet may hold.
            connection: A c= line of its own; None takes the session's.
            attributes: Further ones; they come last.

        Raises:
            BuildError: A value cannot stand in a session description.
        """
        wanted = [Format.of(what) for what in formats]
        own: list[Attribute] = []
        if not _is_rtp(proto):
            names = tuple(wish.encoding for wish in wanted)
        else:
            assigned = assign_payload_types(wanted)
            names = tuple(str(wish.payload_type) for wish in assigned)
            for wish in assigned:
                own.append(Attribute("rtpmap", f"{wish.payload_type} {RTPMap.__str__(wish)}"))
                if wish.fmtp:
                    own.append(Attribute("fmtp", f"{wish.payload_type} {wish.fmtp}"))
        for name, value in (("ptime", ptime), ("maxptime", maxptime)):
            if value is not None:
                if not 0 < value < 100_000:  # RFC 3264 Section 5.1: greater than zero
                    raise InvalidValue(value, f"more than 0 milliseconds as {name}")
                own.append(Attribute(name, f"{value:g}"))
        own.append(Attribute(Direction(direction).value))
        return cls(
            media,
            port,
            proto,
            names,
            connections=() if connection is None else (connection,),
            attributes=(*own, *attributes),
        )

    @classmethod
    def read(cls, value: str) -> MediaDescription:
        """The section that the value of an m= line begins; raises `BuildError`."""
        words = spaced(value)
        if len(words) < 3:
            raise InvalidValue(value, "'<media> <port> <proto> <fmt> ...' in m=")
        port, slash, count = words[1].partition("/")
        return cls(
            words[0],
            integer(port, "port in m="),
            words[2],
            tuple(words[3:]),
            integer(count, "number of ports in m=") if slash else None,
        )

    @classmethod
    def read_leniently(cls, value: str) -> MediaDescription:
        """The section that the value of an m= line begins, as `read`; but a port that is no port
        makes it one with port 0, which is not wanted, and not the whole description a wrong one.
        """
        match = _BAD_PORT.fullmatch(value)
        if match is None or 0 <= int(match[2]) <= 65535:
            return cls.read(value)
        return replace(cls.read(f"{match[1]}0{match[3]}"), bad_port=match[2])

    def __str__(self) -> str:
        """The value of the m= line."""
        count = "" if self.port_count is None else f"/{self.port_count}"
        return " ".join((self.media, f"{self.port}{count}", self.proto, *self.formats))

    def lines(self) -> Iterator[tuple[str, object]]:
        """The letters and values of the section's lines, in the order of RFC 8866 Section 5."""
        yield "m", self
        yield from self._lines(LINES)

    def in_session(self, attributes: tuple[Attribute, ...], connection: Connection | None) -> Self:
        """The section below a session level with these attributes and this c= line."""
        if self._session_attributes == attributes and self._session_connection == connection:
            return self
        bound = copy.copy(self)
        object.__setattr__(bound, "_session_attributes", attributes)
        object.__setattr__(bound, "_session_connection", connection)
        return bound

    def _with_attributes(self, attributes: list[Attribute]) -> Self:
        return replace(self, attributes=tuple(attributes)).in_session(
            self._session_attributes, self._session_connection
        )

    @property
    def is_rtp(self) -> bool:
        """Whether the formats are RTP payload types."""
        return _is_rtp(self.proto)

    @property
    def connection(self) -> Connection | None:
        """The section's own c= line, the first where there are several."""
        return self.connections[0] if self.connections else None

    @property
    def connection_or_session(self) -> Connection | None:
        """The c= line of the stream, its own or the session's (RFC 8866 Section 5.7)."""
        return self.connection or self._session_connection

    def inherited(self, name: str) -> str | None:
        """The value of the attribute here or, where it is not here, at the session level (ICE and
        DTLS have such ones).
        """
        own = self.value(name)
        if own is not None:
            return own
        return next((a.value for a in self._session_attributes if a.name == name), None)

    @property
    def direction(self) -> Direction:
        """The stream's direction: its own, else the session's, else sendrecv (RFC 8866 Section
        6.7).
        """
        if (own := self.own_direction) is not None:
            return own
        for attribute in self._session_attributes:
            if attribute.value is None and attribute.name in _DIRECTIONS:
                return Direction(attribute.name)
        return Direction.SENDRECV

    def with_direction(self, direction: Direction | str) -> MediaDescription:
        """A copy that says this direction, and no other, itself."""
        bare = self.without_attribute(*_DIRECTIONS)
        return bare.with_attribute(Direction(direction).value)

    @cached_property
    def rtpmap(self) -> Mapping[int, RTPMap]:
        """What each payload type stands for: the rtpmap attributes and, for types of the m= line
        that have none, RFC 3551.
        """
        result: dict[int, RTPMap] = {}
        if self.is_rtp:
            for value in self.values("rtpmap"):
                if (read := RTPMap.read(value)) is not None:
                    result.setdefault(*read)
            for name in self.formats:
                number = payload_type(name)
                if number is not None and number in STATIC_PAYLOAD_TYPES:
                    result.setdefault(number, STATIC_PAYLOAD_TYPES[number])
        return MappingProxyType(result)

    @cached_property
    def fmtp(self) -> Mapping[int, str]:
        """The format parameters of each payload type that has some (RFC 8866 Section 6.15)."""
        result: dict[int, str] = {}
        for value in self.values("fmtp"):
            match = _FMTP.fullmatch(value)
            if match is not None:
                result.setdefault(int(match[1]), match[2].strip())
        return MappingProxyType(result)

    @cached_property
    def media_formats(self) -> tuple[Format, ...]:
        """The formats of the m= line that are understood, in its order: for RTP, those with a
        mapping.
        """
        found = (self.media_format(name) for name in self.formats)
        return tuple(one for one in found if one is not None)

    def media_format(self, name: str) -> Format | None:
        """The format that a word of the m= line names; None where it has no mapping."""
        if not self.is_rtp:
            return None if "/" in name else Format(name, clock_rate=0)
        number = payload_type(name)
        rtpmap = None if number is None else self.rtpmap.get(number)
        if number is None or rtpmap is None:
            return None
        return Format(
            rtpmap.encoding, rtpmap.clock_rate, rtpmap.channels, number, self.fmtp.get(number)
        )

    @property
    def ptime(self) -> float | None:
        """Milliseconds of media in a packet that the describing side would like to receive; None
        where it does not say.
        """
        return self._milliseconds("ptime")

    @property
    def maxptime(self) -> float | None:
        """The most milliseconds of media that a packet may hold; None where the description does
        not say.
        """
        return self._milliseconds("maxptime")

    def _milliseconds(self, name: str) -> float | None:
        match = _MILLISECONDS.fullmatch((self.value(name) or "").strip(" "))
        if match is None:
            return None
        number = float(match[0]) if match[1] else int(match[0])
        return number or None

    @property
    def mid(self) -> str | None:
        """The stream's identification (RFC 5888)."""
        return self.value("mid")

    @property
    def rtcp(self) -> RTCPAddress | None:
        """Where RTCP goes, if it is said (RFC 3605); None means one port above RTP."""
        value = self.value("rtcp")
        return None if value is None else RTCPAddress.read(value)

    @property
    def rtcp_port(self) -> int:
        """The port RTCP goes to without rtcp-mux: what `a=rtcp` says, else the one above RTP; 0
        where there is none.
        """
        rtcp = self.rtcp
        if rtcp is not None:
            return rtcp.port
        return self.port + 1 if 0 < self.port < 65535 else 0

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTP and RTCP may share a port (RFC 5761); they do once both sides say so."""
        return self.has("rtcp-mux")


def _is_rtp(proto: str) -> bool:
    return "RTP" in proto.upper().split("/")

"""Session descriptions (RFC 8866): `SessionDescription`, read from and written to the wire.

Promises of this module:

1. `SessionDescription.parse` raises `ParseError` and nothing else, whatever it is given; what it
   lets pass beyond RFC 8866 is the table in `sipparty.sdp.reader`.
2. What was read and not changed is written back byte for byte. What was changed, or built, is
   written in the order of RFC 8866 Section 5, every line ending in CRLF.
3. A description that can be made can be written: constructors check every value, so that
   `bytes(description)` cannot fail and no value can break out of its line.
4. Descriptions are frozen and compare by value, whatever the bytes they came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

from sipparty.errors import BuildError, ParseError
from sipparty.sdp.fields import (
    Attribute,
    Bandwidth,
    Connection,
    Direction,
    Origin,
    UnknownLine,
)
from sipparty.sdp.formats import FormatLike
from sipparty.sdp.grammar import TEXT, check_pattern
from sipparty.sdp.media import LINES, AttributeHolder, LineTable, MediaDescription, coerced, text
from sipparty.sdp.reader import FREE_TEXT, Limits, Line, Reader
from sipparty.sdp.timing import Repeat, Timing, ZoneAdjustment

__all__ = ["SessionDescription"]

#: The session name of a session that has none (RFC 8866 Section 5.3).
NO_NAME = "-"


#: Those of the session level; v= goes before them, and r= and z= with t=.
_SESSION_LINES: LineTable = {
    "o": ("origin", False, Origin.read),
    "s": ("name", False, text),
    "i": ("information", False, text),
    "u": ("uri", False, text),
    "e": ("emails", True, text),
    "p": ("phones", True, text),
    "c": ("connection", False, Connection.read),
    "b": ("bandwidths", True, Bandwidth.read),
    "t": ("timings", True, Timing.read),
    "k": ("key", False, text),
    "a": ("attributes", True, Attribute.read),
}


@dataclass(frozen=True)
class SessionDescription(AttributeHolder):
    """A session: who describes it, where media goes, and the streams it consists of.

    `SessionDescription.audio` is the short form to make one, `parse` reads one, `bytes()` writes
    it. To change one, make another: `dataclasses.replace`, `with_attribute`, `with_media`.

    Args:
        origin: The o= line.
        name: The s= line; "-" for a session without a name.
        information: The i= line.
        uri: The u= line.
        emails: The e= lines.
        phones: The p= lines.
        connection: The c= line that holds for all streams without their own.
        bandwidths: The b= lines.
        timings: The t= lines with their r= and z= lines.
        key: The obsolete k= line; not shown by `repr`.
        attributes: The a= lines of the session level.
        media: The streams, in order.
        unknown: Lines of other letters at the session level.

    Raises:
        BuildError: A value cannot stand in a session description.
    """

    origin: Origin
    name: str = NO_NAME
    information: str | None = None
    uri: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    connection: Connection | None = None
    bandwidths: tuple[Bandwidth, ...] = ()
    timings: tuple[Timing, ...] = (Timing(),)
    key: str | None = field(default=None, repr=False)
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()
    unknown: tuple[UnknownLine, ...] = ()
    _raw: bytes | None = field(default=None, init=False, repr=False, compare=False)
    _findings: tuple[ParseError, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        coerced(self, "emails", "phones", "bandwidths", "timings", "attributes", "unknown")
        for value, place in (
            (self.name, "session name in s="),
            (self.information, "session information in i="),
            (self.uri, "URI in u="),
            (self.key, "key in k="),
            *((email, "address in e=") for email in self.emails),
            *((phone, "number in p=") for phone in self.phones),
        ):
            if value is not None:
                check_pattern(value, TEXT, place)
        if not self.timings:
            raise BuildError("A session description needs a t= line (RFC 8866 Section 5.9).")
        bound = tuple(one.in_session(self.attributes, self.connection) for one in self.media)
        object.__setattr__(self, "media", bound)

    @classmethod
    def audio(
        cls,
        address: str,
        port: int,
        formats: Iterable[FormatLike] = ("PCMU", "PCMA"),
        *,
        session_id: int = 0,
        version: int = 0,
        username: str = "-",
        direction: Direction | str = Direction.SENDRECV,
        ptime: float | None = None,
    ) -> SessionDescription:
        """A description of one audio stream over RTP/AVP.

        Args:
            address: IP address or domain name where the media goes to.
            port: Where RTP goes to, 0 to 65535.
            formats: In order of preference: names, static payload types or `Format`s.
            session_id: Below 2**63. An offer takes one that its user has not used before, such as
                the time in seconds since 1900 (RFC 8866 Section 5.2).
            version: Of the description.
            username: Of the user, in the o= line.
            direction: From the viewpoint of the side that describes.
            ptime: Milliseconds of media in a packet that one would like to receive.

        Raises:
            BuildError: A value cannot stand in a session description.
        """
        stream = MediaDescription.rtp("audio", port, formats, direction=direction, ptime=ptime)
        return cls(
            Origin.of(address, session_id, version, username),
            connection=Connection.of(address),
            media=(stream,),
        )

    @classmethod
    def parse(
        cls, data: bytes | str, *, strict: bool = False, limits: Limits | None = None
    ) -> SessionDescription:
        """Read one description.

        Args:
            data: The whole description. Bytes need not be UTF-8.
            strict: Refuse what RFC 8866 does not allow, where it would otherwise be let pass.
            limits: What the description may cost; None takes `Limits()`.

        Returns:
            The description, which writes itself back as it came.

        Raises:
            ParseError: It is none; `position` counts bytes of bytes and characters of a `str`, and
                `status` is 400.
        """
        reader = Reader(data, strict=strict, limits=limits or Limits())
        session, *sections = reader.sections
        fields = _collect(reader, (x for x in session if x.letter not in "vtrz"), _SESSION_LINES)
        media = tuple(_media(reader, section) for section in sections)
        description = cls(**fields, timings=_timings(reader, session), media=media)
        object.__setattr__(description, "_raw", reader.raw)
        object.__setattr__(description, "_findings", tuple(reader.findings))
        return description

    @property
    def findings(self) -> tuple[ParseError, ...]:
        """What is wrong with what was read, and was let pass though `strict` refuses it: lines in
        odd places, and streams that cannot be; `str` of one is a sentence. Nothing of what was
        made here.
        """
        return self._findings

    def lines(self) -> Iterator[tuple[str, object]]:
        """The letters and values of all lines, in the order of RFC 8866 Section 5."""
        yield "v", "0"
        for letter, value in self._lines(_SESSION_LINES):
            if isinstance(value, Timing):
                yield from value.lines()
            else:
                yield letter, value
        for one in self.media:
            yield from one.lines()

    def __bytes__(self) -> bytes:
        if self._raw is not None:
            return self._raw
        lines = "".join(f"{letter}={value}\r\n" for letter, value in self.lines())
        return lines.encode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        """The description as text; bytes that are not UTF-8 show as U+FFFD."""
        return bytes(self).decode("utf-8", "replace")

    def _with_attributes(self, attributes: list[Attribute]) -> Self:
        return replace(self, attributes=tuple(attributes))

    def with_media(self, media: Iterable[MediaDescription]) -> SessionDescription:
        """A copy that consists of these streams."""
        return replace(self, media=tuple(media))

    @property
    def direction(self) -> Direction:
        """The direction of streams that do not say their own (RFC 8866 Section 6.7)."""
        return self.own_direction or Direction.SENDRECV


def _collect(reader: Reader, lines: Iterable[Line], table: LineTable) -> dict[str, Any]:
    """The fields that lines say."""
    fields: dict[str, Any] = {}
    for line in lines:
        letter = line.letter
        if not line.value and letter in FREE_TEXT and not reader.strict:
            continue
        name, several, read = table.get(letter, ("unknown", True, partial(UnknownLine, letter)))
        value = reader.convert(line, read)
        if several:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def _timings(reader: Reader, session: list[Line]) -> tuple[Timing, ...]:
    # What comes before the first t= is the first one's.
    times: list[tuple[Timing, list[Repeat], list[ZoneAdjustment]]] = [(Timing(), [], [])]
    stated = False
    for line in session:
        if line.letter == "t":
            timing = reader.convert(line, Timing.read)
            if stated:
                times.append((timing, [], []))
            else:
                times[0] = (timing, *times[0][1:])
            stated = True
        elif line.letter == "r":
            times[-1][1].append(reader.convert(line, Repeat.read))
        elif line.letter == "z":
            times[-1][2].extend(reader.convert(line, ZoneAdjustment.read))
    if not stated:
        # RFC 3264 Section 5: a call without times is one with "0 0".
        return (Timing(),)
    return tuple(
        replace(timing, repeats=tuple(repeats), zones=tuple(zones))
        for timing, repeats, zones in times
    )


def _media(reader: Reader, section: list[Line]) -> MediaDescription:
    first, *rest = section
    read = MediaDescription.read if reader.strict else MediaDescription.read_leniently
    start = reader.convert(first, read)
    if start.bad_port is not None:
        reader.note("a port in m= from 0 to 65535", first.position)
    if len(start.formats) > reader.limits.max_formats:
        raise reader.error(f"at most {reader.limits.max_formats} formats in m=", first.position)
    return replace(start, **_collect(reader, rest, LINES))

"""Call ladders: what was said, by whom, in which order, drawn from the records of the wire.

    >>> wire.add(ladder := Ladder(names={"10.0.0.1": "alice", "10.0.0.2": "bob"}))
    >>> print(ladder)
                 alice                                bob
          0.0 ms    |------- INVITE (CSeq 1, SDP) ----->|
          1.3 ms    |<-- 180 Ringing (CSeq 1 INVITE) ---|

Laws:

1. A ladder needs records alone. Of a message it reads the first line, Call-ID, CSeq and whether a
   session description is in it; what is no message is an arrow too, so nothing hides. No bytes from
   the wire make it raise, and none get into the drawing unescaped.
2. A message that both ends reported is one arrow, at the time of the first report. The same bytes
   sent again are another arrow, marked with how often they were sent before.
3. A column is an endpoint: a name if the address has one, else the address. Media goes to the
   column of the same host if there is just one, since RTP has ports of its own.
4. Times are milliseconds since the first record drawn.
5. The drawing is ASCII unless asked otherwise, so that it survives mail, logs and terminals.
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sipparty.trace.wirelog import Echoes, WireRecord, show

__all__ = ["Ladder", "MediaRecord", "Summary", "summarise"]

_Address = tuple[str, int]

#: The longest piece of a message that a label shows, in characters.
_EXCERPT: Final = 40

#: What is read of the headers: name or its compact form (RFC 3261 §7.3.3): the key it is kept as.
_WANTED: Final = {
    b"call-id": "call_id",
    b"i": "call_id",
    b"cseq": "cseq",
    b"content-type": "type",
    b"c": "type",
}

#: A line of headers may go on in the next ones (RFC 3261 §7.3.1 "folding").
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")

#: What Mermaid would take for its own: its quoting of it.
_MERMAID: Final = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", '"': "#quot;"})

_BLANKS: Final = b"\r\n \t\0"


class _Strokes(NamedTuple):
    line: str
    message: str
    media: str
    left: str
    right: str
    loop: str


_ASCII: Final = _Strokes("|", "-", "=", "<", ">", ")")
_UNICODE: Final = _Strokes("│", "─", "═", "◀", "▶", "⟲")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a ladder shows of a message.

    Args:
        method: The method of a request; of a response, that of its CSeq; "" if there is none.
        status: The status code of a response; None for a request.
        reason: The reason phrase of a response; "" for a request.
        call_id: The Call-ID; "" if there is none.
        cseq: The sequence number as it is written; "" if there is none.
        sdp: Whether a session description is in the body.
    """

    method: str
    status: int | None = None
    reason: str = ""
    call_id: str = ""
    cseq: str = ""
    sdp: bool = False

    def __str__(self) -> str:
        notes = []
        if self.cseq:
            method = "" if self.status is None else " " + self.method
            notes.append(f"CSeq {self.cseq}{method}".rstrip())
        if self.sdp:
            notes.append("SDP")
        what = self.method if self.status is None else f"{self.status} {self.reason}".rstrip()
        return f"{what} ({', '.join(notes)})" if notes else what


@dataclass(frozen=True, slots=True)
class MediaRecord:
    """A summary of the RTP that one end exchanged, drawn as one double arrow.

    Args:
        time: When the sum was made up, on the clock of the wire's records, in seconds.
        local: Host and port of the end that counted: those of its RTP, or of its signalling, which
            leaves no doubt about the column.
        remote: Host and port of the other end, alike.
        sent: Packets sent by the end that counted.
        received: Packets it received.
        lost: Packets that it missed.
        codec: The encoding's name, such as "PCMU"; "" if that is not known.
        duration: How long the media ran, in seconds; None if that is not known.
        call_id: The Call-ID of the call it belongs to; "" if that is not known.
    """

    time: float
    local: tuple[str, int]
    remote: tuple[str, int]
    sent: int = 0
    received: int = 0
    lost: int = 0
    codec: str = ""
    duration: float | None = None
    call_id: str = ""

    def __str__(self) -> str:
        parts = [f"{self.sent} sent", f"{self.received} received"]
        if self.lost:
            parts.append(f"{self.lost} lost")
        if self.duration is not None:
            parts.append(f"{self.duration:.1f} s")
        return f"{' '.join(filter(None, ('RTP', self.codec)))}: {', '.join(parts)}"


def summarise(data: bytes) -> Summary | None:
    """Read from a message what a ladder shows.

    Args:
        data: A message, well-formed or not. A real parser would refuse much that this reads: a
            ladder is wanted most where something is wrong.

    Returns:
        The summary, its texts escaped and cut to a bearable length (the Call-ID is whole); None
        for what does not begin like a SIP message.
    """
    head, _, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    first, *lines = _FOLD.sub(b" ", head).split(b"\n")
    words = first.strip().split(None, 2) or [b""]
    found: dict[str, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = _WANTED.get(name.strip().lower())
        if key is not None and colon:
            found.setdefault(key, value.strip())
    cseq, _, method = found.get("cseq", b"").partition(b" ")
    call_id = found.get("call_id", b"").decode("utf-8", "surrogateescape")
    sdp = bool(body.strip(_BLANKS)) and b"application/sdp" in found.get("type", b"").lower()
    if words[0].upper().startswith(b"SIP/") and len(words) > 1 and words[1].isdigit():
        reason = words[2] if len(words) > 2 else b""
        status = int(words[1][:3])
        return Summary(_cut(method.strip()), status, _cut(reason), call_id, _cut(cseq), sdp)
    if len(words) == 3 and words[2].strip().upper().startswith(b"SIP/"):
        return Summary(_cut(words[0]), None, "", call_id, _cut(cseq), sdp)
    return None


def _cut(data: bytes) -> str:
    text = show(data).replace("\n", " ")
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 3] + "..."


def _safe(text: str) -> str:
    text = show(text.encode("utf-8", "surrogatepass")).replace("\n", " ")
    return text if len(text) <= 2 * _EXCERPT else text[: 2 * _EXCERPT - 3] + "..."


@dataclass(slots=True)
class _Arrow:
    time: float
    source: int
    destination: int
    label: str
    call_id: str
    media: bool = False
    response: bool = False
    both_ways: bool = False


@dataclass(slots=True)
class _Drawing:
    columns: list[str]
    arrows: list[_Arrow]
    calls: list[str]


class Ladder:
    """A drawing of the messages between endpoints; also a tap for `Wire.add` that collects them.

    Args:
        records: Records to begin with, in any order; more come by calling the ladder with one.
        names: What endpoints are called: by (host, port), by "host:port", or by host for all ports
            of it. Endpoints of one name share a column.
        call_id: Draw this call alone; None draws all.
        limit: How many records are kept, the latest; bounds the memory that a long run takes.
    """

    def __init__(
        self,
        records: Iterable[WireRecord | MediaRecord] = (),
        *,
        names: Mapping[tuple[str, int] | str, str] | None = None,
        call_id: str | None = None,
        limit: int = 10_000,
    ) -> None:
        self.names: dict[tuple[str, int] | str, str] = dict(names or {})
        self.call_id = call_id
        self._records: deque[WireRecord | MediaRecord] = deque(records, maxlen=limit)

    def __call__(self, record: WireRecord | MediaRecord) -> None:
        """Take one more record."""
        self._records.append(record)

    def __iter__(self) -> Iterator[WireRecord | MediaRecord]:
        """The records that were taken, those of other calls too, in the order they came."""
        return iter(self._records.copy())

    def __len__(self) -> int:
        """How many records were taken."""
        return len(self._records)

    @property
    def calls(self) -> list[str]:
        """The Call-IDs in the records, in order of their first message."""
        return Ladder(self, limit=max(1, len(self)))._draw().calls

    def only(self, call_id: str) -> Ladder:
        """Return a ladder of the records so far that draws one call alone."""
        return Ladder(self, names=self.names, call_id=call_id, limit=max(1, len(self)))

    def text(self, *, unicode: bool = False) -> str:
        """Draw with characters.

        Args:
            unicode: Use line-drawing characters and real arrows, not ASCII.

        Returns:
            Lines without a newline at the end. With several calls in it, labels begin with the
            call's number, and the last lines tell which Call-ID that is.
        """
        drawing = self._draw()
        if not drawing.arrows:
            return "(no messages)"
        strokes = _UNICODE if unicode else _ASCII
        places = _places(drawing)
        start = drawing.arrows[0].time
        margin = " " * 13
        lines = [(margin + _header(drawing.columns, places)).rstrip()]
        for arrow in drawing.arrows:
            time = f"{(arrow.time - start) * 1000.0:9.1f} ms "
            lines.append((time + " " + _rung(arrow, places, strokes)).rstrip())
        if len(drawing.calls) > 1:
            lines += [f"[{n}] Call-ID: {_safe(call)}" for n, call in enumerate(drawing.calls, 1)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def mermaid(self) -> str:
        """Draw as a Mermaid `sequenceDiagram`, which web pages and notebooks turn into a picture.

        Media is a note over both ends, since older versions know no double arrow.
        """
        drawing = self._draw()
        lines = ["sequenceDiagram"]
        for index, name in enumerate(drawing.columns):
            lines.append(f"    participant p{index} as {name.translate(_MERMAID)}")
        for arrow in drawing.arrows:
            source, destination = f"p{arrow.source}", f"p{arrow.destination}"
            label = arrow.label.translate(_MERMAID)
            if arrow.media:
                lines.append(f"    Note over {source},{destination}: {label}")
            else:
                stroke = "-->>" if arrow.response else "->>"
                lines.append(f"    {source}{stroke}{destination}: {label}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Draw for a notebook."""
        return f'<pre style="line-height: 1.2">{html.escape(self.text(unicode=True))}</pre>'

    def __repr__(self) -> str:
        return f"<Ladder of {len(self)} records>"

    def _draw(self) -> _Drawing:
        """Make arrows out of the records."""
        records = sorted(self, key=lambda record: record.time)
        echoes = Echoes(limit=max(1, len(records)))
        taken = [
            (record, summarise(record.data) if isinstance(record, WireRecord) else None)
            for record in records
            if isinstance(record, MediaRecord) or not echoes.is_echo(record)
        ]
        columns = _Columns(self.names, echoes)
        seen: dict[tuple[object, ...], int] = {}
        drawing = _Drawing(columns.names, [], [])
        for record, summary in taken:
            if isinstance(record, MediaRecord):
                call_id = record.call_id
            else:
                call_id = summary.call_id if summary else ""
            if self.call_id is not None and call_id != self.call_id:
                continue
            if call_id and call_id not in drawing.calls:
                drawing.calls.append(call_id)
            if isinstance(record, MediaRecord):
                ends = columns.of_media(record.local), columns.of_media(record.remote)
                if record.received and not record.sent:
                    ends = ends[1], ends[0]
                both = bool(record.sent and record.received)
                drawing.arrows.append(
                    _Arrow(
                        record.time, *ends, _safe(str(record)), call_id, media=True, both_ways=both
                    )
                )
                continue
            source, destination = columns.of(record.source), columns.of(record.destination)
            label = _label(record.data) if summary is None else str(summary)
            if summary is not None:
                key = (source, destination, record.transport, record.data)
                seen[key] = before = seen.get(key, -1) + 1
                if before:
                    label += f" [retransmission {before}]"
            response = summary is not None and summary.status is not None
            drawing.arrows.append(
                _Arrow(record.time, source, destination, label, call_id, response=response)
            )
        if len(drawing.calls) > 1:
            number = {call: index for index, call in enumerate(drawing.calls, 1)}
            for arrow in drawing.arrows:
                if arrow.call_id:
                    arrow.label = f"[{number[arrow.call_id]}] {arrow.label}"
        return drawing


class _Columns:
    """Which column an address is drawn in."""

    def __init__(self, names: Mapping[_Address | str, str], echoes: Echoes) -> None:
        self._given = names
        self._echoes = echoes
        self._hosts: dict[str, set[int]] = {}
        self.names: list[str] = []

    def of(self, address: _Address) -> int:
        """The column of an endpoint of signalling."""
        place = self._echoes.place(address)
        name = self._named(address) or self._named(place) or _written(place)
        column = self._column(name)
        self._hosts.setdefault(place[0], set()).add(column)
        return column

    def of_media(self, address: _Address) -> int:
        """The column of an endpoint of media: its own name's, else that of its host."""
        name = self._named(address)
        if name is None:
            if _written(address) in self.names:
                return self.names.index(_written(address))
            columns = self._hosts.get(address[0], set())
            if len(columns) == 1:
                return next(iter(columns))
        return self._column(name or _written(address))

    def _named(self, address: _Address) -> str | None:
        for key in (address, _written(address), address[0]):
            if key in self._given:
                return _safe(self._given[key])
        return None

    def _column(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def _written(address: _Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _label(data: bytes) -> str:
    """What is written on an arrow that carries no message."""
    if not data.strip(b"\r\n"):
        return "keep-alive"  # RFC 5626 §3.5.1, §4.4.1: CRLF CRLF, answered by CRLF
    return f"{len(data)} bytes: {_cut(data)}"


def _places(drawing: _Drawing) -> list[int]:
    """The position of each lifeline: as far left as the names and the labels allow."""
    names = drawing.columns
    room: dict[tuple[int, int], int] = {}
    for arrow in drawing.arrows:
        low, high = sorted((arrow.source, arrow.destination))
        if low == high:
            low, high = low, low + 1  # a loop is written to the right of its own lifeline
        room[low, high] = max(room.get((low, high), 0), len(arrow.label) + 9)
    for index in range(len(names) - 1):
        least = (len(names[index]) + len(names[index + 1])) // 2 + 3
        room[index, index + 1] = max(room.get((index, index + 1), 0), least)
    places = [len(names[0]) // 2]
    for high in range(1, len(names)):
        places.append(max(places[low] + need for (low, end), need in room.items() if end == high))
    return places


def _header(names: list[str], places: list[int]) -> str:
    line = ""
    for name, place in zip(names, places, strict=True):
        line = line.ljust(place - len(name) // 2) + name
    return line


def _rung(arrow: _Arrow, places: list[int], strokes: _Strokes) -> str:
    """One line of the ladder, without its time."""
    cells = [" "] * (places[-1] + 1)
    for place in places:
        cells[place] = strokes.line
    low, high = sorted((places[arrow.source], places[arrow.destination]))
    if low == high:
        label = f"{strokes.message}{strokes.loop} {arrow.label}"
        cells[low + 1 : low + 1 + len(label)] = label
        return "".join(cells)
    stroke = strokes.media if arrow.media else strokes.message
    right = arrow.source < arrow.destination
    left_end = strokes.left if arrow.both_ways or not right else stroke
    right_end = strokes.right if arrow.both_ways or right else stroke
    middle = f" {arrow.label} ".center(high - low - 3, stroke)
    cells[low + 1 : high] = f"{left_end}{middle}{right_end}"
    return "".join(cells)

"""Call ladders: messages, their senders and their order, drawn from the records of the wire.

    >>> wire.add(ladder := Ladder(names={"10.0.0.1": "alice", "10.0.0.2": "bob"}))
    >>> print(ladder)
                 alice                                bob
          0.0 ms    |------- INVITE (CSeq 1, SDP) ----->|
          1.3 ms    |<-- 180 Ringing (CSeq 1 INVITE) ---|

Laws:

1. A ladder needs records alone, and draws the kinds that it knows. Of a message it reads what
   `summarise` reads; what is no message is an arrow too, so nothing hides. No bytes from the wire
   make it raise, and none get into the drawing unescaped.
2. A message that both ends reported is one arrow, at the time of the first report. The same bytes
   sent again are another arrow, marked with how often they were sent before.
3. A column is an endpoint: a name if the address has one, else the address. Media goes to the
   column of the same host if there is just one, since RTP has ports of its own.
4. Times are milliseconds since the first record drawn.
5. The drawing is ASCII unless asked otherwise, so that it survives mail, logs and terminals; and no
   wider than is asked: labels say less, then they and the names are cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sipparty.trace.records import MediaRecord, TraceRecord
from sipparty.trace.text import one_line, summarise
from sipparty.trace.wirelog import Echoes, WireRecord

__all__ = ["Ladder"]

_Address = tuple[str, int]

#: What Mermaid would take for its own: its quoting of it.
_MERMAID: Final = str.maketrans({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", '"': "#quot;"})

#: Columns of the times, and what an arrow takes beside its label.
_MARGIN: Final = 14
_ARROW: Final = 9
#: The least distance of two lifelines.
_NARROW: Final = 8


class _Strokes(NamedTuple):
    line: str
    message: str
    media: str
    left: str
    right: str
    loop: str


_ASCII: Final = _Strokes("|", "-", "=", "<", ">", ")")
_UNICODE: Final = _Strokes("│", "─", "═", "◀", "▶", "⟲")


@dataclass(slots=True)
class _Arrow:
    time: float
    source: int
    destination: int
    labels: tuple[str, ...]
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
        records: Iterable[TraceRecord] = (),
        *,
        names: Mapping[tuple[str, int] | str, str] | None = None,
        call_id: str | None = None,
        limit: int = 10_000,
    ) -> None:
        self.names: dict[tuple[str, int] | str, str] = dict(names or {})
        self.call_id = call_id
        self._records: deque[TraceRecord] = deque(records, maxlen=limit)

    def __call__(self, record: TraceRecord) -> None:
        """Take one more record."""
        self._records.append(record)

    def __iter__(self) -> Iterator[TraceRecord]:
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

    def text(self, *, unicode: bool = False, width: int | None = 80) -> str:
        """Draw with characters.

        Args:
            unicode: Use line-drawing characters and real arrows, not ASCII.
            width: The longest line, in characters; None for what the labels take. With more than
                ten columns in 80, lines are longer all the same.

        Returns:
            Lines without a newline at the end. With several calls in it, labels begin with the
            call's number, and the last lines say which Call-ID that is.
        """
        drawing = self._draw()
        if not drawing.arrows:
            return "(no messages)"
        strokes = _UNICODE if unicode else _ASCII
        names, places, labels = _fit(drawing, width)
        start = drawing.arrows[0].time
        header = ""
        for name, place in zip(names, places, strict=True):
            header = header.ljust(place - len(name) // 2) + name
        lines = [" " * (_MARGIN - 1) + header]
        for arrow, label in zip(drawing.arrows, labels, strict=True):
            time = f"{(arrow.time - start) * 1000.0:9.1f} ms  "
            lines.append(time + _rung(arrow, label, places, strokes))
        if len(drawing.calls) > 1:
            for number, call in enumerate(drawing.calls, 1):
                lines.append(_cut(f"[{number}] Call-ID: {one_line(call)}", width))
        return "\n".join([line.rstrip() for line in lines])

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
            stroke = "-->>" if arrow.response else "->>"
            ends = f"Note over {source},{destination}" if arrow.media else source + stroke
            ends += "" if arrow.media else destination
            lines.append(f"    {ends}: {arrow.labels[0].translate(_MERMAID)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Draw for a notebook."""
        from html import escape

        drawn = escape(self.text(unicode=True, width=None))
        return f'<pre style="line-height: 1.2">{drawn}</pre>'

    def __repr__(self) -> str:
        return f"<Ladder of {len(self)} records>"

    def _draw(self) -> _Drawing:
        """Make arrows out of the records."""
        records = sorted(self, key=lambda record: record.time)
        echoes = Echoes(limit=max(1, len(records)))
        drawn = [one for one in records if isinstance(one, WireRecord | MediaRecord)]
        taken = [
            (record, summarise(record.data) if isinstance(record, WireRecord) else record)
            for record in drawn
            if isinstance(record, MediaRecord) or not echoes.is_echo(record)
        ]
        columns = _Columns(self.names, echoes)
        seen: dict[tuple[object, ...], int] = {}
        drawing = _Drawing(columns.names, [], [])
        for record, summary in taken:
            call_id = summary.call_id if summary else ""
            if self.call_id is not None and call_id != self.call_id:
                continue
            if call_id and call_id not in drawing.calls:
                drawing.calls.append(call_id)
            if isinstance(record, MediaRecord):
                ends = columns.of_media(record.local), columns.of_media(record.remote)
                if record.received and not record.sent:
                    ends = ends[1], ends[0]
                labels = tuple(map(one_line, record.labels()))
                arrow = _Arrow(record.time, *ends, labels, call_id, media=True)
                arrow.both_ways = bool(record.sent and record.received)
            else:
                ends = columns.of(record.source), columns.of(record.destination)
                arrow = _Arrow(record.time, *ends, (_describe(record.data),), call_id)
                if summary is not None and not isinstance(summary, MediaRecord):
                    key = (*ends, record.transport, record.data)
                    seen[key] = before = seen.get(key, -1) + 1
                    marks = f" [retransmission {before}]", f" [again {before}]", " [again]"
                    arrow.labels = tuple(
                        [
                            label + (mark if before else "")
                            for label, mark in zip(summary.labels(), marks, strict=True)
                        ]
                    )
                    arrow.response = summary.status is not None
            drawing.arrows.append(arrow)
        if len(drawing.calls) > 1:
            number = {call: index for index, call in enumerate(drawing.calls, 1)}
            for arrow in drawing.arrows:
                if arrow.call_id:
                    mark = f"[{number[arrow.call_id]}] "
                    arrow.labels = tuple([mark + label for label in arrow.labels])
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
        columns = self._hosts.get(address[0], set())
        if name is None and _written(address) not in self.names and len(columns) == 1:
            return next(iter(columns))
        return self._column(name or _written(address))

    def _named(self, address: _Address) -> str | None:
        for key in (address, _written(address), address[0]):
            if key in self._given:
                return one_line(self._given[key])
        return None

    def _column(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def _written(address: _Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _describe(data: bytes) -> str:
    """What is written on an arrow that carries no message."""
    if not data.strip(b"\r\n"):
        return "keep-alive"  # RFC 5626 §3.5.1, §4.4.1: CRLF CRLF, answered by CRLF
    return f"{len(data)} bytes: {one_line(data, 40)}"


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: max(1, width - 2)] + ".."


def _fit(drawing: _Drawing, width: int | None) -> tuple[list[str], list[int], list[str]]:
    """The names, the positions of their lifelines, and the labels, as full as the width allows."""
    names, arrows = drawing.columns, drawing.arrows
    # Lifelines as far left as the full labels allow. A loop is written right of its own lifeline.
    needs: dict[tuple[int, int], int] = {}
    spans = [sorted((arrow.source, arrow.destination)) for arrow in arrows]
    spans = [[low, high + (low == high)] for low, high in spans]
    for arrow, (low, high) in zip(arrows, spans, strict=True):
        needs[low, high] = max(needs.get((low, high), 0), len(arrow.labels[0]) + _ARROW)
    for index in range(len(names) - 1):
        least = (len(names[index]) + len(names[index + 1])) // 2 + 3
        needs[index, index + 1] = max(needs.get((index, index + 1), 0), least)
    places = [len(names[0]) // 2]
    for index in range(1, len(names)):
        places.append(
            max(places[low] + need for (low, high), need in needs.items() if high == index)
        )
    loop = needs.get((len(names) - 1, len(names)), 0)
    end = places[-1] + max(loop, len(names[-1]) // 2 + 1)
    if width is None or _MARGIN + end <= width:
        return names, places, [arrow.labels[0] for arrow in arrows]
    # Lifelines at equal distances, and of each arrow the fullest label that it is long enough for.
    gaps = len(names) - 1 + bool(loop)
    names = [_cut(name, max(_NARROW, (width - _MARGIN) // (gaps + 1)) - 2) for name in names]
    first, last = len(names[0]) // 2, len(names[-1]) // 2 + 1
    gap = max(_NARROW, (width - _MARGIN - first - last * (not loop)) // max(1, gaps))
    labels = []
    for arrow, (low, high) in zip(arrows, spans, strict=True):
        space = gap * (high - low) - _ARROW + 2
        fitting = (label for label in arrow.labels if len(label) <= space)
        labels.append(next(fitting, _cut(arrow.labels[-1], space)))
    return names, [first + gap * index for index in range(len(names))], labels


def _rung(arrow: _Arrow, label: str, places: list[int], strokes: _Strokes) -> str:
    """One line of the ladder, without its time."""
    cells = [" "] * (places[-1] + 1)
    for place in places:
        cells[place] = strokes.line
    low, high = sorted((places[arrow.source], places[arrow.destination]))
    if low == high:
        label = f"{strokes.message}{strokes.loop} {label}"
        cells[low + 1 : low + 1 + len(label)] = label
        return "".join(cells)
    stroke = strokes.media if arrow.media else strokes.message
    right = arrow.source < arrow.destination
    left_end = strokes.left if arrow.both_ways or not right else stroke
    right_end = strokes.right if arrow.both_ways or right else stroke
    middle = f" {label} ".center(high - low - 3, stroke)
    cells[low + 1 : high] = f"{left_end}{middle}{right_end}"
    return "".join(cells)

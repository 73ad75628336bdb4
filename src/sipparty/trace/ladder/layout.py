"""What a ladder shows, before anything is drawn: its columns, its rows in order, its calls.

Laws:

1. A layout needs records alone. Of a message it reads what `summarise` reads; what is no message is
   a row too, so nothing hides. No bytes from the wire make it raise, and none get into a name or a
   label unescaped.
2. A message that both ends reported is one row, at the time of the first report. The same bytes
   sent again are another row, marked with how often they were sent before.
3. A column is an endpoint: a name if the address has one, else the address. A connection's own port
   is in the column of the address that its requests name as the sender's (Via). Media and keys go
   to the column of the same host if there is just one, since RTP has ports of its own.
4. What happened at one end (a state, the quality) is a mark on its column; where the end is not
   known, and for a remark, it goes over all of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from sipparty.late import late_pattern
from sipparty.trace.records import (
    KeyRecord,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    TraceRecord,
)
from sipparty.trace.text import Summary, one_line, summarise
from sipparty.trace.wirelog import Echoes, WireRecord

__all__ = ["Fitting", "Kind", "Layout", "Row", "cut", "fit", "fullest", "lay_out", "written"]

_Address: TypeAlias = tuple[str, int]

#: What a row is of.
Kind: TypeAlias = Literal["request", "response", "data", "media", "key", "quality", "state", "note"]

_KINDS: Final[dict[type, Kind]] = {
    MediaRecord: "media",
    KeyRecord: "key",
    QualityRecord: "quality",
    StateRecord: "state",
    NoteRecord: "note",
}


#: The sender's host and port in the first Via (RFC 3261 §18.1.1).
_SENT_BY: Final = late_pattern(
    rb"^(?:via|v)[ \t]*:[^;,\r\n]{0,40}?[ \t]\[?([^\s;,\]]{1,64}?)\]?"
    rb"(?:[ \t]*:[ \t]*(\d{1,5}))?[ \t]*[;,\r\n]",
    re.IGNORECASE | re.MULTILINE,
)
#: The port of a Via that names none (RFC 3261 §19.1.2), over connections.
_PORTS: Final = {"TCP": 5060, "TLS": 5061}


class Row(NamedTuple):
    """One thing that is drawn.

    Attributes:
        time: When, in seconds since 1970.
        kind: What it is.
        source: The column that it comes from; that of a mark. None for what goes over all columns.
        destination: The column that it goes to, equal to `source` for a mark.
        labels: Texts for it, escaped, the fullest first, the shortest last.
        call: The place of its call in the layout's `calls`; None where it is of none.
        record: What it was made of.
        summary: What the message is, in short; None for what is none.
        again: How often the same message was sent before.
        both_ways: Whether the arrow has two heads.
    """

    time: float
    kind: Kind
    source: int | None
    destination: int | None
    labels: tuple[str, ...]
    call: int | None
    record: TraceRecord
    summary: Summary | None = None
    again: int = 0
    both_ways: bool = False

    @property
    def is_mark(self) -> bool:
        """Whether it is written on a column, or over all of them, and no arrow."""
        return self.source is None or self.kind in ("quality", "state", "note")

    @property
    def failed(self) -> bool:
        """Whether it is a response that refuses; one that asks for credentials does not."""
        status = 0 if self.summary is None else self.summary.status or 0
        return status >= 400 and status not in (401, 407)


class Layout(NamedTuple):
    """What a ladder shows.

    Attributes:
        columns: The names of the endpoints, from left to right.
        rows: What is drawn, in order of time.
        calls: The Call-IDs, in order of their first row.
    """

    columns: list[str]
    rows: list[Row]
    calls: list[str]

    def labels(self, row: Row) -> tuple[str, ...]:
        """Return the texts for a row, with the number of its call where there are several."""
        if row.call is None or len(self.calls) < 2:
            return row.labels
        mark = f"[{row.call + 1}] "
        return tuple([mark + label for label in row.labels])


def lay_out(
    records: Iterable[TraceRecord],
    names: Mapping[_Address | str, str],
    call_id: str | None = None,
) -> Layout:
    """Make a layout of records.

    Args:
        records: In any order.
        names: What endpoints are called: by (host, port), by "host:port", or by host.
        call_id: Show this call alone; None for all.
    """
    records = sorted(records, key=lambda record: record.time)
    echoes = Echoes(limit=max(1, len(records)))
    senders: dict[_Address, _Address] = {}
    taken: list[tuple[TraceRecord, Summary | None, str]] = []
    homes: defaultdict[str, set[_Address]] = defaultdict(set)
    for record in records:
        summary = None
        if isinstance(record, WireRecord):
            summary = summarise(record.data)
            if summary is not None:
                homes[summary.call_id].add(record.local)
                if record.transport in _PORTS and summary.status is None:
                    senders.setdefault(record.source, _sender(record))
            if echoes.is_echo(record):
                continue
        elif type(record) not in _KINDS:
            continue
        call = "" if isinstance(record, WireRecord) else record.call_id
        call = call if summary is None else summary.call_id
        if call_id is None or call == call_id:
            taken.append((record, summary, call))
    columns = _Columns(names, echoes, senders)
    numbers: dict[str, int] = {}
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for record, summary, call in taken:
        number = numbers.setdefault(call, len(numbers)) if call else None
        if isinstance(record, WireRecord):
            rows.append(_message(record, summary, number, columns, seen))
        else:
            rows.append(_other(record, number, columns, homes[call]))
    return Layout(columns.names, rows, list(numbers))


def _sender(record: WireRecord) -> _Address:
    """The address at which the sender of a request over a connection is reached."""
    found = _SENT_BY.search(record.data)
    host, port = record.source
    if found is None or found[1].decode("utf-8", "replace").lower() != host.lower():
        return host, port
    return host, int(found[2] or _PORTS[record.transport])


def _message(
    record: WireRecord,
    summary: Summary | None,
    call: int | None,
    columns: _Columns,
    seen: dict[tuple[object, ...], int],
) -> Row:
    ends = columns.of(record.source), columns.of(record.destination)
    if summary is None:
        return Row(record.time, "data", *ends, (_describe(record.data),), call, record)
    key = (*ends, record.transport, record.data)
    seen[key] = again = seen.get(key, -1) + 1
    labels = summary.labels()
    if again:
        marks = f" [retransmission {again}]", f" [again {again}]", " [again]"
        labels = tuple([label + mark for label, mark in zip(labels, marks, strict=True)])
    kind: Kind = "request" if summary.status is None else "response"
    labels = (*labels, summary.method if summary.status is None else f"{summary.status}")
    return Row(record.time, kind, *ends, labels, call, record, summary, again)


def _other(
    record: MediaRecord | KeyRecord | QualityRecord | StateRecord | NoteRecord,
    call: int | None,
    columns: _Columns,
    homes: set[_Address],
) -> Row:
    source: int | None = None
    destination: int | None = None
    both_ways = False
    if isinstance(record, MediaRecord):
        source, destination = columns.of_media(record.local), columns.of_media(record.remote)
        both_ways = bool(record.sent and record.received)
        if record.received and not record.sent:
            source, destination = destination, source
    elif isinstance(record, KeyRecord):
        source, destination = columns.of_media(record.source), columns.of_media(record.destination)
    elif isinstance(record, QualityRecord):
        source = destination = columns.of_media(record.local)
    else:
        home = record.local
        if home is None and isinstance(record, StateRecord) and len(homes) == 1:
            (home,) = homes
        if home is not None:
            source = destination = columns.of(home)
    kind, labels = _KINDS[type(record)], tuple(map(one_line, record.labels()))
    return Row(record.time, kind, source, destination, labels, call, record, both_ways=both_ways)


class _Columns:
    """Which column an address is drawn in."""

    def __init__(
        self,
        names: Mapping[_Address | str, str],
        echoes: Echoes,
        senders: Mapping[_Address, _Address],
    ) -> None:
        self._given = names
        self._echoes = echoes
        self._senders = senders
        self._hosts: defaultdict[str, set[int]] = defaultdict(set)
        self._known: dict[_Address, int] = {}
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        return list(self._numbers)

    def of(self, address: _Address) -> int:
        """The column of an endpoint of signalling."""
        column = self._known.get(address)
        if column is None:
            place = self._echoes.place(self._senders.get(address, address))
            column = self._column(self._named(address) or self._named(place) or written(place))
            self._hosts[place[0]].add(column)
            self._known[address] = column
        return column

    def of_media(self, address: _Address) -> int:
        """The column of an endpoint of media: its own name's, else that of its host."""
        if address in self._known or address in self._senders:
            return self.of(address)
        name = self._named(address)
        columns = self._hosts[address[0]]
        if name is None and written(address) not in self._numbers and len(columns) == 1:
            return next(iter(columns))
        return self._column(name or written(address))

    def _named(self, address: _Address) -> str | None:
        for key in (address, written(address), address[0]):
            if key in self._given:
                return one_line(self._given[key])
        return None

    def _column(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))


def written(address: tuple[str, int]) -> str:
    """Return an address as text: "host:port", "[host]:port" for IPv6."""
    host, port = address
    return one_line(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _describe(data: bytes) -> str:
    """What is written on an arrow that carries no message."""
    if not data.strip(b"\r\n"):
        return "keep-alive"  # RFC 5626 §3.5.1, §4.4.1: CRLF CRLF, answered by CRLF
    return f"{len(data)} bytes: {one_line(data, 40)}"


# ----------------------------------------------------------------------- fitting into a width

#: What an arrow takes beside its label, at least and well drawn, and the least distance of two
#: lifelines, in characters.
_ENDS: Final = 5
_ARROW: Final = 9
_NARROW: Final = 9
#: The least space that a piece of a label is worth, in characters.
_REASON: Final = 8


class Fitting(NamedTuple):
    """Where a layout is drawn, in characters from the first column's left edge.

    Attributes:
        names: The columns' names, as long as there is space for.
        places: Where the lifelines stand.
        labels: The label of each row, as full as there is space for.
        spans: From which lifeline to which each row goes, from left to right; one past the last
            stands for the right edge.
        width: The whole.
    """

    names: list[str]
    places: list[int]
    labels: list[str]
    spans: list[tuple[int, int]]
    width: int


def cut(text: str, width: int | None) -> str:
    """Return text of at most so many characters, the end of a longer one as ".."."""
    return text if width is None or len(text) <= width else text[: max(1, width - 2)] + ".."


def fit(layout: Layout, width: int | None) -> Fitting | None:
    """Find places for the lifelines and labels for the rows.

    Args:
        layout: What is to be drawn.
        width: The greatest width, in characters; None for what the fullest labels take.

    Returns:
        Lifelines as far left as the full labels allow; where those are too wide, lifelines at equal
        distances and of each row the fullest label that there is space for. None where the
        lifelines would stand closer than can be drawn.
    """
    names, last = list(layout.columns) or [""], max(0, len(layout.columns) - 1)
    spans = [_span(row, last) for row in layout.rows]
    labels = [layout.labels(row) for row in layout.rows]
    needs: dict[tuple[int, int], int] = {}
    for span, texts in zip(spans, labels, strict=True):
        needs[span] = max(needs.get(span, 0), len(texts[0]) + _ARROW)
    for index in range(last):
        least = (len(names[index]) + len(names[index + 1])) // 2 + 3
        needs[index, index + 1] = max(needs.get((index, index + 1), 0), least)
    places = [len(names[0]) // 2] + [0] * last
    beyond = 0
    for (low, high), need in sorted(needs.items(), key=lambda item: item[0][1]):
        if high > last:
            beyond = max(beyond, need)
        else:
            places[high] = max(places[high], places[low] + need)
    end = places[-1] + max(beyond, len(names[-1]) // 2 + 1)
    if width is None or end <= width:
        return Fitting(names, places, [texts[0] for texts in labels], spans, end)
    gaps = last + bool(beyond)
    names = [cut(name, max(_NARROW, width // (gaps + 1)) - 2) for name in names]
    first, right = len(names[0]) // 2, len(names[-1]) // 2 + 1
    gap = (width - first - right * (not beyond)) // max(1, gaps)
    if gap < _NARROW:
        return None
    fitting = []
    for row, (low, high), texts in zip(layout.rows, spans, labels, strict=True):
        space = gap * (high - low) - _ENDS
        fitting.append(fullest(row, texts, space))
    return Fitting(names, [first + gap * n for n in range(last + 1)], fitting, spans, width)


def fullest(row: Row, labels: tuple[str, ...], space: int) -> str:
    """Return the fullest label that there is space for, cut if need be: a piece of a reason says
    more than its code alone.
    """
    usual = labels[:-1] if row.kind == "response" else labels
    fitting = (label for label in usual if len(label) <= space)
    return next(fitting, cut(usual[-1], space) if space >= _REASON else cut(labels[-1], space))


def _span(row: Row, last: int) -> tuple[int, int]:
    """From which lifeline to which a row goes.

    A mark has all the space on one side of its column, one over all columns has all of it, and a
    message to oneself is written right of its column.
    """
    if row.source is None or row.destination is None:
        return 0, max(1, last)
    low, high = sorted((row.source, row.destination))
    if low < high:
        return low, high
    if not row.is_mark:
        return low, low + 1
    return (0, low) if low == last and low else (low, max(last, low + 1))

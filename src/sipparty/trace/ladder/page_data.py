"""What the HTML page of a ladder knows: rows, calls, messages with each line explained.

Laws:

1. All of it is text and numbers, and all that came from the wire is escaped (`show`): no control
   character, no mark that turns writing around, no lone surrogate.
2. What repeats is there once: a line of a message, what such a line means, a message sent again.
3. Secrets are masked after the message was explained, so that the mask is not taken for a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from sipparty.explain import Line, explain
from sipparty.late import late_pattern
from sipparty.trace.calls import calls_of
from sipparty.trace.ladder.layout import Kind, Layout, Row, written
from sipparty.trace.records import StateRecord
from sipparty.trace.text import mask, one_line, show
from sipparty.trace.wirelog import WireRecord

__all__ = ["page_data"]

_Item = TypeVar("_Item")

#: The kinds of rows, by the numbers that the page knows them by.
_KINDS: Final[tuple[Kind, ...]] = (
    "request", "response", "data", "media", "key", "quality", "state", "note",
)  # fmt: skip

_HEAD_END: Final = late_pattern(rb"\r?\n\r?\n")

#: The longest line, in characters, and the most lines, that a page shows of a message.
_LONGEST: Final = 4000
_MOST_LINES: Final = 1000
#: The most pictures of machines in a page: machines of one kind that went one way share theirs.
_MOST_PICTURES: Final = 60


def page_data(layout: Layout, *, masked: bool = True) -> dict[str, Any]:
    """Return what the page needs to know, as JSON has it.

    Args:
        layout: What is drawn.
        masked: Whether secrets are shown as ``***``.
    """
    start = layout.rows[0].time if layout.rows else 0.0
    methods: _Table[str] = _Table()
    messages, things = _Messages(masked), _Things(layout)
    rows = []
    for row in layout.rows:
        label, more = _label(row)
        record = row.record
        ref = messages.of(row, record) if isinstance(record, WireRecord) else things.of(row)
        method = "" if row.summary is None else row.summary.method
        rows.append(
            [
                round((row.time - start) * 1000, 4),
                _KINDS.index(row.kind),
                -1 if row.source is None else row.source,
                -1 if row.destination is None else row.destination,
                -1 if row.call is None else row.call,
                label,
                more,
                row.both_ways | row.failed << 1 | row.again << 2,
                ref,
                methods.number(method, method.strip) if method else -1,
            ]
        )
    return {
        "start": start,
        "kinds": _KINDS,
        "columns": layout.columns,
        "methods": methods.items,
        "calls": [
            [
                one_line(call.call_id, 200),
                call.method,
                call.caller,
                call.callee,
                call.phase,
                call.outcome,
                round((call.began - start) * 1000, 1),
                call.records,
            ]
            for call in calls_of(layout)
        ],
        "rows": rows,
        "messages": messages.items,
        "lines": messages.lines.items,
        "meanings": messages.meanings.items,
        "things": things.items,
        "pictures": things.pictures,
    }


class _Table(Generic[_Item]):
    """Things in a list, each once."""

    def __init__(self) -> None:
        self.items: list[_Item] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, make: Callable[[], _Item]) -> int:
        """The place of a thing in the list, which it is put in if it is not there."""
        number = self._numbers.setdefault(key, len(self.items))
        if number == len(self.items):
            self.items.append(make())
        return number


def _label(row: Row) -> tuple[str, str]:
    """What a row says first, and what it adds."""
    summary = row.summary
    if summary is not None:
        request = summary.status is None
        what = summary.method if request else f"{summary.status} {summary.reason}".rstrip()
        number = f"CSeq {summary.cseq} {'' if request else summary.method}".strip()
        return what, " · ".join(["SDP"] * summary.sdp + [number] * bool(summary.cseq))
    full, short = (row.labels[n].replace(" -> ", " → ") for n in (0, -1))
    if not full.startswith(short):
        return full, ""
    more = full[len(short) :].strip(" :,")
    return short, more.replace(", ", " · ") if row.kind in ("media", "quality") else more


class _Messages:
    """The messages, and what stands beside them: their lines, and what the lines mean."""

    def __init__(self, masked: bool) -> None:
        self._mask = mask if masked else bytes
        #: Transport, source, destination, size, what it is, lines, those of the head, body.
        self._table: _Table[list[Any]] = _Table()
        self.items = self._table.items
        #: Text, the number of the meaning, details, faults.
        self.lines: _Table[list[Any]] = _Table()
        #: Text and source.
        self.meanings: _Table[tuple[str, str]] = _Table()

    def of(self, row: Row, record: WireRecord) -> int:
        """The number of a message; the same one sent again has the same."""
        ends = [written(record.source), written(record.destination)]
        key = (record.transport, *ends, record.data)
        return self._table.number(
            key, lambda: [record.transport, *ends, len(record.data), *self._read(row, record.data)]
        )

    def _read(self, row: Row, data: bytes) -> list[Any]:
        if row.summary is None:
            return ["bytes", [], 0, self._shown(data)]
        explanation = explain(data)
        head, *rest = _HEAD_END.split(data.lstrip(b"\r\n"), 1)
        end, body = head.count(b"\n") + 1, b"".join(rest)
        above = [line for line in explanation.lines if line.number <= end]
        below = [line for line in explanation.lines if line.number > end]
        if below and not below[0].source.startswith("RFC 8866"):
            below = []  # no session description: it is shown as it is
        lines = [self._line(line) for line in (*above, *below)[:_MOST_LINES]]
        shown = "" if below or not body.strip() else self._shown(body)
        return [explanation.what, lines, len(above), shown]

    def _line(self, line: Line) -> int:
        return self.lines.number((line.text, line.source, line.faults), lambda: self._made(line))

    def _made(self, line: Line) -> list[Any]:
        meaning = line.meaning, line.source
        return [
            self._text(line.text),
            self.meanings.number(meaning, lambda: meaning),
            [self._text(text, 300) for text in line.details],
            [[one_line(fault.what, 300), fault.column, fault.severe] for fault in line.faults],
        ]

    def _text(self, text: str, limit: int = _LONGEST) -> str:
        data = self._mask(text.encode("utf-8", "surrogatepass"))
        return one_line(data, limit)

    def _shown(self, data: bytes) -> str:
        lines = show(self._mask(data)).split("\n")[:_MOST_LINES]
        return "\n".join([line[:_LONGEST].removesuffix("\\r\\n") for line in lines])


class _Things:
    """What is no message: names and values, and for a machine's transition its picture."""

    def __init__(self, layout: Layout) -> None:
        #: Pairs of a name and a value, and the number of the picture; -1 for none.
        self.items: list[list[Any]] = []
        self.pictures: list[str] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._of_machine: dict[tuple[str, str], int] = {}
        self._ways: dict[tuple[str, str], list[StateRecord]] = {}
        for row in layout.rows:
            if isinstance(row.record, StateRecord):
                machine = row.record.machine, row.record.call_id
                self._ways.setdefault(machine, []).append(row.record)

    def of(self, row: Row) -> int:
        """The number of a thing."""
        record = row.record
        pairs = [
            [name.replace("_", " "), one_line(_value(name, getattr(record, name)), 200)]
            for name in record._fields
            if name != "time" and getattr(record, name) not in (None, "", (), False)
        ]
        picture = self._picture(record) if isinstance(record, StateRecord) else -1
        self.items.append([pairs, picture])
        return len(self.items) - 1

    def _picture(self, record: StateRecord) -> int:
        from sipparty.fsm import FSM
        from sipparty.fsm.drawing import svg, view_of_records

        machine = record.machine, record.call_id
        if machine in self._of_machine:
            return self._of_machine[machine]
        way = self._ways[machine]
        key = (record.kind, *((one.old, one.input, one.new) for one in way))
        number = self._known.get(key)
        if number is None:
            view = view_of_records(way, FSM) if len(self.pictures) < _MOST_PICTURES else None
            if view is not None:
                self.pictures.append(svg(view))
            number = self._known[key] = -1 if view is None else len(self.pictures) - 1
        self._of_machine[machine] = number
        return number


def _value(name: str, value: Any) -> str:
    """A value of a record, in words with its unit."""
    if name in ("local", "remote"):
        return written(value)
    if name == "armed":
        return ", ".join(f"{input} in {seconds:g} s" for input, seconds in value)
    if isinstance(value, bool):
        return "yes"
    if name == "loss":
        return f"{value:.2%}"
    if name in ("jitter", "round_trip"):
        return f"{value * 1000:.1f} ms"
    if name == "duration":
        return f"{value:.3g} s"
    return f"{value:.2f}" if isinstance(value, float) else str(value)

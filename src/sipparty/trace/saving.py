"""Files of a trace, by the end of their names; each whole, or not there."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from sipparty.errors import UsageError
from sipparty.files import replacing
from sipparty.trace.jsonl import as_json
from sipparty.trace.ladder import Ladder
from sipparty.trace.pcap import write_pcap
from sipparty.trace.records import TraceRecord

__all__ = ["Traced", "save"]

#: Characters in a line of a ladder that is saved as text.
_WIDTH: Final = 120


class Traced(Protocol):
    """What can be saved: a `Trace`, or what has as much of one. RTP is in its `packets`, where it
    has those.
    """

    def __iter__(self) -> Iterator[TraceRecord]:
        """The records, in order of time."""

    def for_call(self, call: Any, /) -> Iterable[TraceRecord]:
        """Return the records of one call."""

    def ladder(self, call: Any = None, /) -> Ladder:
        """Return a drawing, of one call or of all."""


def _text(trace: Traced, call: Any) -> Iterable[str]:
    return [trace.ladder(call).text(width=_WIDTH), "\n"]


def _svg(trace: Traced, call: Any) -> Iterable[str]:
    return [trace.ladder(call).svg(), "\n"]


def _html(trace: Traced, call: Any) -> Iterable[str]:
    return [trace.ladder(call).html()]


def _jsonl(trace: Traced, call: Any) -> Iterable[str]:
    return (as_json(record) + "\n" for record in _records(trace, call))


def _pcapng(trace: Traced, call: Any) -> Iterable[bytes]:
    file = io.BytesIO()
    records = list(_records(trace, call))
    wanted = {record.call_id for record in records}
    packets = list(getattr(trace, "packets", ()))
    write_pcap(file, [*records, *(one for one in packets if call is None or one.call_id in wanted)])
    return [file.getvalue()]


def _records(trace: Traced, call: Any) -> Iterable[TraceRecord]:
    return trace if call is None else trace.for_call(call)


#: By suffix, what makes what is in a file.
_KINDS: Final[Mapping[str, Callable[[Traced, Any], Iterable[str] | Iterable[bytes]]]] = {
    ".txt": _text,
    ".svg": _svg,
    ".html": _html,
    ".jsonl": _jsonl,
    ".pcapng": _pcapng,
}


def save(trace: Traced, path: Path, call: Any) -> Path:
    """Write a trace to a file; as `Trace.save` documents it."""
    make = _KINDS.get(path.suffix.lower())
    if make is None:
        known = ", ".join(_KINDS)
        raise UsageError(
            f"{str(path)!r} does not say what to write: its name should end in {known}."
        )
    pieces = make(trace, call)
    with replacing(path) as beside, open(beside, "wb") as file:
        for piece in pieces:
            file.write(piece if isinstance(piece, bytes) else piece.encode("utf-8", "replace"))
    return path

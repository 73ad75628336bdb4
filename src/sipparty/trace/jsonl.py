"""Traces as JSON lines: one object for each record, for other programs and for later.

    {"record": "message", "time": 1700000000.0, "direction": "sent", "transport": "UDP", ...}
    {"record": "state", "time": 1700000000.0, "machine": "SimpleCall1", "old": "Initial", ...}

Laws:

1. An object says what `record` it is, and has the fields by their names, without those that have
   their default. Addresses are `[host, port]`.
2. Secrets are masked, unless asked otherwise: what is read back is then not what was on the wire.
   `data` is the message as text; one that is not UTF-8 is `data_base64`.
3. Lines are ASCII: what a message says cannot move a terminal's cursor.
4. No text makes reading raise anything but `ParseError`, which names the line.

    ===========  ================
    `record`     is a
    ===========  ================
    message      `WireRecord`
    state        `StateRecord`
    media        `MediaRecord`
    key          `KeyRecord`
    quality      `QualityRecord`
    note         `NoteRecord`
    ===========  ================
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import IO, Any, Final

from sipparty.errors import ParseError
from sipparty.trace.records import (
    KeyRecord,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    TraceRecord,
)
from sipparty.trace.text import mask, one_line
from sipparty.trace.wirelog import WireRecord

__all__ = ["JSONLinesWriter", "as_json", "from_json", "read_jsonl", "write_jsonl"]

_KINDS: Final[dict[str, type[Any]]] = {
    "message": WireRecord,
    "state": StateRecord,
    "media": MediaRecord,
    "key": KeyRecord,
    "quality": QualityRecord,
    "note": NoteRecord,
}
_WHAT: Final = "record of a trace"
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _number(value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
    except OverflowError:
        pass  # a whole number of hundreds of digits
    raise ValueError("a number")


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _address(value: Any) -> tuple[str, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError('an address, such as ["10.0.0.1", 5060]')
    return _text(value[0]), _count(value[1])


def _direction(value: Any) -> str:
    if value not in ("sent", "received"):
        raise ValueError('"sent" or "received"')
    return str(value)


def _armed(value: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, list) or not all(isinstance(v, list) and len(v) == 2 for v in value):
        raise ValueError('timers, such as [["timer_B", 32]]')
    return tuple((_text(input), _number(seconds)) for input, seconds in value)


def _data(value: Any) -> bytes:
    return _text(value).encode("utf-8", "surrogateescape")


#: How the fields are read, by their names; all others are texts.
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "armed": _armed,
    "data": _data,
    "direction": _direction,
    "timer": _flag,
    **dict.fromkeys(("local", "remote"), _address),
    **dict.fromkeys(("sent", "received", "lost"), _count),
    **dict.fromkeys(
        ("time", "duration", "mos", "loss", "jitter", "round_trip"),
        _number,
    ),
}


def as_json(record: TraceRecord, *, masked: bool = True) -> str:
    """Write a record as a line, without its end.

    Args:
        record: The record.
        masked: Whether secrets are shown as ``***``.
    """
    found: dict[str, Any] = {"record": _NAMES[type(record)]}
    for name, about in record._fields.items():
        value = getattr(record, name)
        if value == about.default:
            continue
        if name == "data":
            data = mask(value) if masked else value
            try:
                value = data.decode()
            except UnicodeDecodeError:
                name, value = "data_base64", base64.b64encode(data).decode()
        found[name] = value
    return json.dumps(found)


def from_json(line: str | bytes) -> TraceRecord:
    """Read a line.

    Raises:
        ParseError: It is no record.
    """
    try:
        return _read(line)
    except RecursionError:
        problem = "fewer objects in each other"
    except _Wrong as error:
        problem = str(error)
    except ValueError as error:
        problem = f"a JSON object ({error})"
    raise ParseError(line, problem, what=_WHAT)


class _Wrong(Exception):
    """What was expected in the place of what there is."""


def _read(line: str | bytes) -> TraceRecord:
    found: Any = json.loads(line)
    kind = found.pop("record", None) if isinstance(found, dict) else None
    made: Any = _KINDS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise _Wrong(f'an object whose "record" is {", ".join(_KINDS)}')
    fields: Mapping[str, Any] = made._fields
    if "data_base64" in found and "data" in fields:
        try:
            data = base64.b64decode(found.pop("data_base64"), validate=True)
        except (TypeError, ValueError):
            raise _Wrong('"data_base64" to be base64') from None
        found["data"] = data.decode("utf-8", "surrogateescape")
    values = {}
    for name, value in found.items():
        about = fields.get(name)
        if about is None:
            raise _Wrong(f"{kind} to have no field {one_line(name, 40)!r}")
        if value is None and about.default is None:
            continue
        try:
            read: Callable[[Any], Any] = _READ.get(name, _text)
            values[name] = read(value)
        except ValueError as error:
            raise _Wrong(f"{name!r} to be {error}") from None
    try:
        record: TraceRecord = made(**values)
    except TypeError:
        lacks = [name for name in fields if name not in values]
        raise _Wrong(f"{kind} to have {', '.join(lacks)}") from None
    return record


class JSONLinesWriter:
    """Writes records as JSON lines; also a tap for `Trace.add` and `Wire.add`, and a context
    manager. The file is whole after each record.

    Args:
        file: A path, which is created or overwritten and closed by `close`, or a text file that is
            open for writing, which stays the caller's.
        masked: Whether secrets are shown as ``***``.

    Raises:
        OSError: The file cannot be opened or written.
    """

    def __init__(self, file: str | os.PathLike[str] | IO[str], *, masked: bool = True) -> None:
        self._owned = isinstance(file, (str, os.PathLike))
        self._file: IO[str] = (
            open(file, "w", encoding="ascii") if self._owned else file  # type: ignore[arg-type,assignment]  # noqa: SIM115
        )
        self._masked = masked

    def __call__(self, record: TraceRecord) -> None:
        """Write one record."""
        self._file.write(as_json(record, masked=self._masked) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._owned:
            self._file.close()

    def __enter__(self) -> JSONLinesWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def write_jsonl(
    file: str | os.PathLike[str] | IO[str], records: Iterable[TraceRecord], *, masked: bool = True
) -> None:
    """Write records as JSON lines, in their order.

    Args:
        file: As for `JSONLinesWriter`.
        records: What to write, such as a `Trace`.
        masked: Whether secrets are shown as ``***``.

    Raises:
        OSError: The file cannot be opened or written.
    """
    with JSONLinesWriter(file, masked=masked) as writer:
        for record in records:
            writer._file.write(as_json(record, masked=masked) + "\n")


def read_jsonl(path: str | os.PathLike[str]) -> list[TraceRecord]:
    """Read a file of JSON lines.

    A last line without an end, as a file has that is still written, is left out where it is not
    whole.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
        ParseError: A line is no record; the error has the line's number.
    """
    records = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                records.append(from_json(line))
            except ParseError as error:
                if not line.endswith(b"\n"):
                    break
                what = f"{_WHAT} (line {number} of {os.fspath(path)})"
                raise ParseError(error.text, error.expected, what=what) from None
    return records

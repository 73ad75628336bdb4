"""Files of a trace, by the end of their names; each whole, or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sipparty.errors import UsageError
from sipparty.trace.jsonl import as_json
from sipparty.trace.ladder import Ladder
from sipparty.trace.records import TraceRecord

__all__ = ["replacing", "save"]

#: Characters in a line of a ladder that is saved as text.
_WIDTH: Final = 120


def _text(ladder: Ladder) -> Iterable[str]:
    return [ladder.text(width=_WIDTH), "\n"]


def _svg(ladder: Ladder) -> Iterable[str]:
    return [ladder.svg(), "\n"]


def _html(ladder: Ladder) -> Iterable[str]:
    return [ladder.html()]


def _jsonl(ladder: Iterable[TraceRecord]) -> Iterable[str]:
    return (as_json(record) + "\n" for record in ladder)


#: By suffix, what makes the text of a file.
_KINDS: Final[Mapping[str, Callable[[Any], Iterable[str]]]] = {
    ".txt": _text,
    ".svg": _svg,
    ".html": _html,
    ".jsonl": _jsonl,
}


def save(trace: Any, path: Path, call: Any) -> Path:
    """Write a trace to a file; as `Trace.save` documents it."""
    kind = path.suffix.lower()
    make = _KINDS.get(kind)
    if make is None:
        known = ", ".join(_KINDS)
        raise UsageError(
            f"{str(path)!r} does not say what to write: its name should end in {known}."
        )
    records = trace if call is None else trace.for_call(call)
    pieces = make(records if kind == ".jsonl" else trace.ladder(call))
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
        for piece in pieces:
            file.write(piece.encode("utf-8", "backslashreplace").decode())
    return path


@contextmanager
def replacing(path: Path) -> Generator[Path, None, None]:
    """Give the name of a new file beside a path, which takes its place at the end of the block; one
    that raises leaves what was there.

    Raises:
        OSError: The file cannot be made, or moved.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)  # as `open` makes them
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

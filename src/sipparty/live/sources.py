"""Where what is shown comes from: parties that run, or a file that grows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self

from sipparty.errors import ParseError
from sipparty.live.model import LiveModel
from sipparty.trace import Trace, TraceRecord
from sipparty.trace.jsonl import from_json
from sipparty.trace.watching import engines_of

__all__ = ["FileSource", "PartySource", "Source", "source_of"]

#: Records that wait to be read; of more the oldest are left out.
_WAITING: Final = 100_000
#: Bytes of a file that are read at a time: one that is long already is not read in one go.
_PORTION: Final = 4 << 20


class Source(Protocol):
    """What gives records, from `__enter__` to `__exit__`."""

    #: What is shown, in a few words.
    title: str
    #: What the source says of itself, such as why it cannot be read; "" where all is well.
    trouble: str

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End, and give back what it took."""

    def update(self, model: LiveModel) -> None:
        """Give a model what has happened since the last time."""

    def hang_up(self, call_id: str) -> bool:
        """End a call; return whether it is one that can be ended from here."""


class PartySource:
    """What parties do, from now on.

    Args:
        of: Parties or engines; see `Trace`.
        interval: Seconds between two looks at how a call sounds.

    Raises:
        UsageError: There is none, or it is neither.
    """

    def __init__(self, *of: Any, interval: float = 1.0) -> None:
        self._parties = of
        self._trace = Trace(*of, limit=1000, interval=interval)
        self._clock: Callable[[], float] = engines_of(of, "Trace")[0].wire.clock
        self._waiting: deque[TraceRecord] = deque(maxlen=_WAITING)
        names = [str(getattr(one, "uri", "") or "") for one in of]
        self.title = ", ".join(filter(None, names)) or "sipparty"
        self.trouble = ""

    def __enter__(self) -> Self:
        self._trace.add(self._waiting.append)
        self._trace.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._trace.stop()

    def update(self, model: LiveModel) -> None:
        """Give a model what has happened since the last time."""
        records = []
        while self._waiting:
            records.append(self._waiting.popleft())
        model.names.update(self._trace.names)
        model.add(records)
        model.now = max(model.now, self._clock())

    def hang_up(self, call_id: str) -> bool:
        """End a call of the parties; return whether there is one."""
        found = [
            call
            for party in self._parties
            for call in getattr(party, "calls", ())
            if call.call_id == call_id
        ]
        for call in found:
            call.terminate()
        return bool(found)


class FileSource:
    """A trace of JSON lines, that may grow.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.title = self._path.name
        self.trouble = ""
        self._at = self._line = 0
        self._rest = b""
        with self._path.open("rb"):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, model: LiveModel) -> None:
        """Give a model the lines that were added, from the beginning where the file is a new one;
        a line that is no record is left out, and `trouble` says which.
        """
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._at:
                    self._at, self._line, self._rest = 0, 0, b""
                file.seek(self._at)
                data = file.read(_PORTION)
        except OSError as error:
            self.trouble = f"{self.title} cannot be read: {error.strerror}."
            return
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _PORTION:
            self._rest = b""  # no line is that long
        for line in lines:
            self._line += 1
            if not line.strip():
                continue
            try:
                model.add([from_json(line)])
            except ParseError as error:
                self.trouble = f"Line {self._line}: {error}"

    def hang_up(self, call_id: str) -> bool:
        """Do nothing: what is in a file has happened."""
        return False


def source_of(*of: Any) -> Source:
    """Return the source that something is: parties, engines, or the path of a file.

    Raises:
        OSError: The file cannot be read.
        UsageError: It is none of these.
    """
    if len(of) == 1 and isinstance(of[0], str | os.PathLike):
        return FileSource(of[0])
    return PartySource(*of)

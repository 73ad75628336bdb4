"""What the report of a failed test shows: the ladder, the states of its calls, a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sipparty.testing.parties import Parties

__all__ = ["sections"]

#: The most that is shown of each.
MAX_LINES = 60


def sections(parties: Iterable[Parties], folder: Path | None) -> list[tuple[str, str]]:
    """Return the sections of a report: a title and a text each.

    Args:
        parties: The parties of the test.
        folder: Where the file goes; None for none.
    """
    made = []
    for group in parties:
        records = group.records
        if not records:
            continue
        made.append(("SIP messages", _cut(str(group.ladder()))))
        states = "\n\n".join(_way(call, records[0].time) for call in group.calls())
        if states:
            made.append(("SIP calls", _cut(states)))
        if folder is not None:
            page, capture = group.save(folder / "sip.html"), group.save(folder / "sip.pcapng")
            made.append(("SIP files", f"{_place(page)}\n{_place(capture)}"))
    return made


def _way(call: Any, begin: float) -> str:
    """A call, and the way that it took; times are those of the ladder."""
    verb = "calls" if call.role == "caller" else "is called by"
    remote = "?" if call.remote is None else call.remote.uri
    lines = [f"{call.party.uri} {verb} {remote}: {call.state}"]
    engine = call.party.engine
    shift = engine.wire.clock() - engine.loop.time() - begin
    lines += [
        f"{(one.time + shift) * 1000:9.1f} ms  {one.what:20} -> {one.state}" for one in call.steps
    ]
    if call.cause is not None:
        lines.append(f"{'':14}{call.cause.text}")
    return "\n".join(lines)


def _place(path: Path) -> str:
    """A path as it is shortest from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _cut(text: str) -> str:
    """The beginning and the end of a text that is long."""
    lines = text.split("\n")
    if len(lines) <= MAX_LINES:
        return text
    half = MAX_LINES // 2
    left = len(lines) - 2 * half
    return "\n".join([*lines[:half], f"  ... {left} lines left out ...", *lines[-half:]])

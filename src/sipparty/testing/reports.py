"""What the report of a failed test shows: the ladder, the states of its calls, a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sipparty.testing.parties import Parties
from sipparty.trace.pcap import write_pcap

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
        states = "\n\n".join(_states(call) for call in group.calls())
        if states:
            made.append(("SIP calls", _cut(states)))
        if folder is not None:
            path = folder / "sip.pcap"
            write_pcap(path, records)
            made.append(("SIP files", f"{path}  (for Wireshark)"))
    return made


def _states(call: Any) -> str:
    """A call, and the way that it took."""
    steps = call.steps
    verb = "calls" if call.role == "caller" else "is called by"
    remote = "?" if call.remote is None else call.remote.uri
    lines = [f"{call.party.uri} {verb} {remote}: {call.state}"]
    lines += [f"  {one.time - steps[0].time:9.3f} s  {one.what:20} -> {one.state}" for one in steps]
    if call.cause is not None:
        lines.append(f"  {call.cause.text}")
    return "\n".join(lines)


def _cut(text: str) -> str:
    """The beginning and the end of a text that is long."""
    lines = text.split("\n")
    if len(lines) <= MAX_LINES:
        return text
    half = MAX_LINES // 2
    left = len(lines) - 2 * half
    return "\n".join([*lines[:half], f"  ... {left} lines left out ...", *lines[-half:]])

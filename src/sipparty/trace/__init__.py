"""Seeing what goes over the wire: the log, call ladders, captures.

    =====================  ================================================================
    `Wire`, `LogTap`       the taps of an engine's wire, and the log `sipparty.messages`
    `Recorder`             keeps records for later
    `Ladder`               a drawing of a call: text, Mermaid, and by itself in a notebook
    `PcapWriter`           a file for Wireshark
    =====================  ================================================================

Each of the last three is a tap: ``wire.add(ladder := Ladder())``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sipparty.trace.text import Summary, mask, show, summarise
from sipparty.trace.wirelog import (
    LOGGER,
    Echoes,
    LogTap,
    Recorder,
    Tap,
    Wire,
    WireRecord,
    describe,
)

if TYPE_CHECKING:
    from sipparty.trace.ladder import Ladder, MediaRecord
    from sipparty.trace.pcap import PcapWriter, write_pcap

__all__ = [
    "LOGGER",
    "Echoes",
    "Ladder",
    "LogTap",
    "MediaRecord",
    "PcapWriter",
    "Recorder",
    "Summary",
    "Tap",
    "Wire",
    "WireRecord",
    "describe",
    "mask",
    "show",
    "summarise",
    "write_pcap",
]

#: What is loaded when it is first asked for: every party imports this package.
_LATE = {"Ladder": "ladder", "MediaRecord": "ladder", "PcapWriter": "pcap", "write_pcap": "pcap"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)

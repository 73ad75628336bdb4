"""Seeing what goes over the wire: the log, call ladders, captures.

    =====================  ================================================================
    `Wire`, `LogTap`       the taps of an engine's wire, and the log `sipparty.messages`
    `TraceRecord`          what is recorded: messages, states, media, keys, quality, notes
    `Recorder`             keeps records for later
    `Ladder`               a drawing of a call: text, Mermaid, and by itself in a notebook
    `PcapWriter`           a file for Wireshark
    =====================  ================================================================

Each of the last three is a tap: ``wire.add(ladder := Ladder())``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.trace.ladder import Ladder
    from sipparty.trace.pcap import PcapWriter, write_pcap
    from sipparty.trace.records import (
        KeyRecord,
        MediaRecord,
        NoteRecord,
        QualityRecord,
        StateRecord,
        TraceRecord,
    )
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

__all__ = [
    "LOGGER",
    "Echoes",
    "KeyRecord",
    "Ladder",
    "LogTap",
    "MediaRecord",
    "NoteRecord",
    "PcapWriter",
    "QualityRecord",
    "Recorder",
    "StateRecord",
    "Summary",
    "Tap",
    "TraceRecord",
    "Wire",
    "WireRecord",
    "describe",
    "mask",
    "show",
    "summarise",
    "write_pcap",
]

__getattr__ = late_names(globals(), "text wirelog records ladder pcap")

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

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.trace.ladder import Ladder, MediaRecord
    from sipparty.trace.pcap import PcapWriter, write_pcap
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

__getattr__ = late_names(globals(), "text wirelog ladder pcap")

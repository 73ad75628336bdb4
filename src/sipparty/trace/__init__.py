"""Seeing what goes over the wire: the log, call ladders, captures.

    =====================  ================================================================
    `Wire`, `LogTap`       the tap on an engine's wire, and the log `sipparty.messages`
    `Recorder`             keeps records for later
    `Ladder`               a drawing of a call: text, Mermaid, and by itself in a notebook
    `PcapWriter`           a file for Wireshark
    =====================  ================================================================

Each of the last three is a tap: ``wire.add(ladder := Ladder())``.
"""

from sipparty.trace.ladder import Ladder, MediaRecord, Summary, summarise
from sipparty.trace.pcap import PcapWriter, write_pcap
from sipparty.trace.wirelog import (
    LOGGER,
    Echoes,
    LogTap,
    Recorder,
    Tap,
    Wire,
    WireRecord,
    describe,
    show,
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
    "show",
    "summarise",
    "write_pcap",
]

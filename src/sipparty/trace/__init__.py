"""Seeing what happens: the log, traces, call ladders, captures.

    =====================  ================================================================
    `Trace`                all that an engine does, on one clock: messages, states, media
    `Wire`, `LogTap`       the taps of an engine's wire, and the log `sipparty.messages`
    `TraceRecord`          what is recorded: messages, states, media, keys, quality, notes
    `Recorder`             keeps records for later
    `Ladder`               a drawing of calls: text, Mermaid, SVG, an HTML page, a notebook
    `PcapWriter`           a file for Wireshark
    `JSONLinesWriter`      a file for other programs, which `read_jsonl` reads
    `read_capture`         the calls in a capture of any program
    =====================  ================================================================

Recorders, ladders and writers are taps: ``wire.add(ladder := Ladder())``, or `Trace.add`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.trace.capture import Capture, read_capture
    from sipparty.trace.jsonl import (
        JSONLinesWriter,
        as_json,
        from_json,
        read_jsonl,
        write_jsonl,
    )
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
    from sipparty.trace.tracing import Trace, TraceTap
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
    "Capture",
    "Echoes",
    "JSONLinesWriter",
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
    "Trace",
    "TraceRecord",
    "TraceTap",
    "Wire",
    "WireRecord",
    "as_json",
    "describe",
    "from_json",
    "mask",
    "read_capture",
    "read_jsonl",
    "show",
    "summarise",
    "write_jsonl",
    "write_pcap",
]

__getattr__ = late_names(globals(), "text wirelog records ladder pcap capture jsonl tracing")

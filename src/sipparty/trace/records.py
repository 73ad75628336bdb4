"""What a trace is made of: one kind of record for each thing that can be seen, all on one clock.

    =====================  ================================================================
    `WireRecord`           a message, sent or received (`sipparty.trace.wirelog`)
    `StateRecord`          a transition of a state machine, and the timers that it armed
    `MediaRecord`          the RTP of one end, summed up
    `KeyRecord`            a DTMF key
    `QualityRecord`        how good a call sounds at one moment
    `NoteRecord`           a remark of the program's, or any other event
    =====================  ================================================================

Laws:

1. Each has `time`, in seconds since 1970 on the clock of the wire, and `call_id`, the Call-ID of
   the call that it belongs to; "" where there is none. So records of all kinds can be sorted
   together, and those of one call found.
2. Each of those defined here has `labels()`: texts for it, the fullest first, the shortest last.
   They are made of what a program or the wire gave: escape them (`one_line`) before they are shown.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from sipparty.records import Record
from sipparty.trace.wirelog import WireRecord

__all__ = [
    "KeyRecord",
    "MediaRecord",
    "NoteRecord",
    "QualityRecord",
    "StateRecord",
    "TraceRecord",
]


class StateRecord(Record):
    """A transition of a state machine.

    Args:
        time: When, in seconds since 1970.
        machine: Which machine, such as "SimpleCall3".
        kind: The name of its class, such as "SimpleCall".
        call_id: The Call-ID of its call; "" where it has none.
        old: The state it was in.
        input: The input it took.
        new: The state it came to; equal to `old` where the input left it there.
        timer: Whether a timer of the machine's own gave the input.
        armed: The timers that were armed: the input of each, and its delay in seconds.
        local: The host and port that its messages go from; None where that is not known.
    """

    time: float
    machine: str
    kind: str
    call_id: str
    old: str
    input: str
    new: str
    timer: bool = False
    armed: tuple[tuple[str, float], ...] = ()
    local: tuple[str, int] | None = None

    def __str__(self) -> str:
        return self.labels()[0]

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        step = f"{self.old} -> {self.new}" if self.old != self.new else self.new
        cause = f"timer {self.input}" if self.timer else self.input
        armed = "".join(f", {input} in {seconds:g} s" for input, seconds in self.armed)
        short = f"{self.machine}: {step}"
        return f"{short} ({cause}{armed})", f"{short} ({cause})", short


class MediaRecord(Record):
    """A summary of the RTP that one end exchanged, drawn as one double arrow.

    Args:
        time: When the sum was made up, on the clock of the wire's records, in seconds.
        local: Host and port of the end that counted: those of its RTP, or of its signalling, which
            leaves no doubt about the column.
        remote: Host and port of the other end, alike.
        sent: Packets sent by the end that counted.
        received: Packets it received.
        lost: Packets that it missed.
        codec: The encoding's name, such as "PCMU"; "" if that is not known.
        duration: How long the media ran, in seconds; None if that is not known.
        call_id: The Call-ID of the call it belongs to; "" if that is not known.
    """

    time: float
    local: tuple[str, int]
    remote: tuple[str, int]
    sent: int = 0
    received: int = 0
    lost: int = 0
    codec: str = ""
    duration: float | None = None
    call_id: str = ""

    def __str__(self) -> str:
        return self.labels()[0]

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        what = f"RTP {self.codec}".rstrip()
        counts = [f"{self.sent} sent", f"{self.received} received"]
        counts += [f"{self.lost} lost"] if self.lost else []
        length = [] if self.duration is None else [f"{self.duration:.1f} s"]
        return f"{what}: {', '.join(counts + length)}", f"{what}: {', '.join(counts)}", what


class KeyRecord(Record):
    """A DTMF key.

    Args:
        time: When the key was pressed, in seconds since 1970.
        local: Host and port of the end that saw it, as in a `MediaRecord`.
        remote: Host and port of the other end, alike.
        call_id: The Call-ID of the call; "" if that is not known.
        key: The key: a digit, "*", "#" or "A" to "D".
        direction: "sent" or "received", as seen by `local`.
        duration: How long it was pressed, in seconds; None if that is not known.
    """

    time: float
    local: tuple[str, int]
    remote: tuple[str, int]
    call_id: str
    key: str
    direction: Literal["sent", "received"] = "received"
    duration: float | None = None

    def __str__(self) -> str:
        return self.labels()[0]

    @property
    def source(self) -> tuple[str, int]:
        """Where the key came from."""
        return self.local if self.direction == "sent" else self.remote

    @property
    def destination(self) -> tuple[str, int]:
        """Where the key went."""
        return self.remote if self.direction == "sent" else self.local

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        short = f"DTMF {self.key}"
        length = "" if self.duration is None else f" ({self.duration * 1000:.0f} ms)"
        return f"{short} {self.direction}{length}", short


class QualityRecord(Record):
    """How good a call sounds at one moment, as one end receives it.

    Args:
        time: When, in seconds since 1970.
        local: Host and port of the end that hears, as in a `MediaRecord`.
        remote: Host and port of the other end, alike.
        call_id: The Call-ID of the call; "" if that is not known.
        mos: The estimated mean opinion score, 1 to 5; None if that is not known.
        loss: The share of packets that were lost, 0 to 1.
        jitter: The interarrival jitter, in seconds (RFC 3550 §6.4.1).
        round_trip: The round-trip time, in seconds; None if that is not known.
    """

    time: float
    local: tuple[str, int]
    remote: tuple[str, int]
    call_id: str
    mos: float | None = None
    loss: float = 0.0
    jitter: float = 0.0
    round_trip: float | None = None

    def __str__(self) -> str:
        return self.labels()[0]

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        short = "quality" if self.mos is None else f"MOS {self.mos:.1f}"
        parts = [f"{self.loss:.1%} lost", f"jitter {self.jitter * 1000:.1f} ms"]
        if self.round_trip is not None:
            parts.append(f"round trip {self.round_trip * 1000:.0f} ms")
        return f"{short}: {', '.join(parts)}", f"{short}: {parts[0]}", short


class NoteRecord(Record):
    """A remark of the program's, or any other event.

    Args:
        time: When, in seconds since 1970.
        call_id: The Call-ID of the call that it is about; "" if it is about none.
        text: What happened.
        local: The host and port of the end that it is about; None where it is about none.
    """

    time: float
    call_id: str
    text: str
    local: tuple[str, int] | None = None

    def __str__(self) -> str:
        return self.text

    def labels(self) -> tuple[str, ...]:
        """Return texts for it, the fullest first, the shortest last."""
        return (self.text,)


#: Anything that a trace has.
TraceRecord: TypeAlias = (
    WireRecord | StateRecord | MediaRecord | KeyRecord | QualityRecord | NoteRecord
)

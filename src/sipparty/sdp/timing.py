"""When a session takes place: the t= line with its r= and z= lines (RFC 8866 Section 5.9 to 5.11).

Promises of this module: times are whole seconds, however they were written (`1h` is read as 3600
and written so), and those since 1900 are not bounded by 2036.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sipparty.sdp.grammar import (
    LARGEST,
    MAX_DIGITS,
    InvalidValue,
    check_integer,
    integer,
    spaced,
    words,
)

__all__ = ["Repeat", "Timing", "ZoneAdjustment"]

_TYPED_TIME = re.compile(rf"(-?)([0-9]{{1,{MAX_DIGITS}}})([dhms]?)", re.ASCII)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(text: str, place: str) -> int:
    """A typed-time of RFC 8866 Section 5.10, in seconds: `25h` is 90000."""
    match = _TYPED_TIME.fullmatch(text)
    if match is None:
        raise InvalidValue(text, f"a time such as 3600, 60m or 1h as {place}")
    seconds = int(match[2]) * _UNIT_SECONDS[match[3]]
    return -seconds if match[1] else seconds


@dataclass(frozen=True, slots=True)
class Repeat:
    """An r= line: when a session comes again (RFC 8866 Section 5.10). All times are in seconds.

    Args:
        interval: From one repetition to the next.
        duration: How long each lasts.
        offsets: Of the repetitions from the start time; at least one.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    interval: int
    duration: int
    offsets: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", tuple(self.offsets))
        check_integer(self.interval, 1, LARGEST, "repeat interval in r=")
        check_integer(self.duration, 0, LARGEST, "active duration in r=")
        if not self.offsets:
            raise InvalidValue(self.offsets, "at least one offset in r=")
        for offset in self.offsets:
            check_integer(offset, 0, LARGEST, "offset in r=")

    @classmethod
    def read(cls, value: str) -> Repeat:
        """The repetition that the value of an r= line says; raises `BuildError`."""
        parts = words(value, "'<interval> <duration> <offset> ...' in r=", 3)
        interval, duration, *offsets = [_seconds(part, "time in r=") for part in parts]
        return cls(interval, duration, tuple(offsets))

    def __str__(self) -> str:
        return " ".join(map(str, (self.interval, self.duration, *self.offsets)))


@dataclass(frozen=True, slots=True)
class ZoneAdjustment:
    """One pair of a z= line: from `time` on, the base of the repetitions is moved by `offset` (RFC
    8866 Section 5.11).

    Args:
        time: Seconds since 1 January 1900 UTC.
        offset: Seconds, of either sign.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    time: int
    offset: int

    def __post_init__(self) -> None:
        check_integer(self.time, 0, LARGEST, "adjustment time in z=")
        check_integer(self.offset, -LARGEST, LARGEST, "offset in z=")

    @classmethod
    def read(cls, value: str) -> tuple[ZoneAdjustment, ...]:
        """The adjustments that the value of a z= line says; raises `BuildError`."""
        parts = spaced(value)
        if not parts or len(parts) % 2:
            raise InvalidValue(value, "pairs of adjustment time and offset in z=")
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(
            cls(integer(time, "adjustment time in z="), _seconds(offset, "offset in z="))
            for time, offset in pairs
        )

    def __str__(self) -> str:
        return f"{self.time} {self.offset}"


@dataclass(frozen=True, slots=True)
class Timing:
    """A t= line with the r= and z= lines that follow it (RFC 8866 Section 5.9 to 5.11).

    Args:
        start: Seconds since 1 January 1900 UTC; 0 for a session that has begun.
        stop: Likewise; 0 for a session without end. Calls have "0 0" (RFC 3264 Section 5).
        repeats: The r= lines.
        zones: The pairs of the z= line; they need a repetition to adjust.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    start: int = 0
    stop: int = 0
    repeats: tuple[Repeat, ...] = ()
    zones: tuple[ZoneAdjustment, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "repeats", tuple(self.repeats))
        object.__setattr__(self, "zones", tuple(self.zones))
        check_integer(self.start, 0, LARGEST, "start time in t=")
        check_integer(self.stop, 0, LARGEST, "stop time in t=")

    @classmethod
    def read(cls, value: str) -> Timing:
        """The times that the value of a t= line says; raises `BuildError`."""
        start, stop = words(value, "'<start-time> <stop-time>' in t=", 2, 2)
        return cls(integer(start, "start time in t="), integer(stop, "stop time in t="))

    def lines(self) -> Iterable[tuple[str, str]]:
        """The letters and values of the t=, r= and z= lines."""
        yield "t", f"{self.start} {self.stop}"
        for repeat in self.repeats:
            yield "r", str(repeat)
        if self.zones:
            yield "z", " ".join(map(str, self.zones))

    def __str__(self) -> str:
        return f"{self.start} {self.stop}"

"""The payload of telephone events (RFC 4733 section 2.3), from bytes and back.

    octets   field                          struct
    0        event                          B
    1        E (end), R (reserved), volume  B
    2-3      duration                       H

Laws:

* The reserved bit is ignored when read (section 2.3.3) and 0 when written.
* A packet may hold several reports, each beginning where the one before it ends (section 2.5.1.5);
  what is no multiple of four octets is none.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sipparty.errors import BuildError, ParseError

__all__ = ["MAX_DURATION", "TelephoneEvent"]

#: The longest that one report can say, in ticks; the largest segment (section 2.5.1.3).
MAX_DURATION: Final = 0xFFFF
#: Reports that are read of one packet: as many as a press a frame would need, in 160 ms.
_MAX_REPORTS: Final = 8

_REPORT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 0x3F


class TelephoneEvent(NamedTuple):
    """One report of an event.

    Args:
        event: Its number, 0 to 255; 0 to 15 are the DTMF digits (section 3.2).
        duration: How long it has lasted, in ticks of the format's clock, 0 to 65535.
        end: Whether it has ended.
        volume: The power of its tone in dBm0 without the sign, 0 to 63; 0 where it has none.
    """

    event: int
    duration: int
    end: bool = False
    volume: int = 0

    @classmethod
    def parse(cls, payload: bytes) -> tuple[TelephoneEvent, ...]:
        """Read the reports of a packet, one as a rule.

        Raises:
            ParseError: It is no multiple of four octets, or has none or more than 8 reports.
        """
        size = len(payload)
        if size % _REPORT.size or not 0 < size <= _REPORT.size * _MAX_REPORTS:
            expected = f"1 to {_MAX_REPORTS} reports of {_REPORT.size} octets, not {size} octets"
            raise ParseError(bytes(payload), expected, what="telephone event")
        return tuple(
            cls(event, duration, flags >= _END, flags & _VOLUME)
            for event, flags, duration in _REPORT.iter_unpack(payload)
        )

    def __bytes__(self) -> bytes:
        """The payload.

        Raises:
            BuildError: A field does not fit its place.
        """
        if not 0 <= self.volume <= _VOLUME:
            raise BuildError(f"The volume of a telephone event is 0 to 63, not {self.volume}.")
        flags = self.volume | _END if self.end else self.volume
        try:
            return _REPORT.pack(self.event, flags, self.duration)
        except struct.error as error:
            raise BuildError(f"{self!r} does not fit a telephone event: {error}.") from None

"""What a stream has to know of what was agreed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from sipparty.errors import UsageError
from sipparty.media.codecs import CodecType
from sipparty.media.rtp_source import Address

__all__ = ["StreamSettings", "check_dscp", "check_seconds"]


def check_dscp(value: object) -> int:
    """Return a Differentiated Services code point, which has six bits.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(value, int) or not 0 <= value <= 63:
        raise UsageError(f"dscp={value!r} is no code point from 0 to 63.")
    return value


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """See that an option is a finite number of seconds above 0.

    Args:
        name: What the option is called.
        value: What it is.
        zero: Whether it may be 0.

    Raises:
        UsageError: It is not.
    """
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not isfinite(value)
        or value < 0
        or not (value or zero)
    ):
        least = "of at least 0" if zero else "above 0"
        raise UsageError(f"{name}={value!r} is no finite number of seconds {least}.")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What was agreed on.

    Args:
        codec: What to send.
        payload_type: What to call it.
        receive: The codecs that may come, by payload type; all of one clock and sample rate.
        ptime: Milliseconds in a packet that is sent, and in a frame that is played.
        remote: Where the other side wants its RTP; None where that is not known.
        remote_rtcp: Where it wants RTCP; None for nowhere.
        sends: Whether we send.
        receives: Whether we want to hear.
    """

    codec: CodecType
    payload_type: int
    receive: Mapping[int, CodecType]
    ptime: float = 20.0
    remote: Address | None = None
    remote_rtcp: Address | None = None
    sends: bool = True
    receives: bool = True

    @property
    def samples(self) -> int:
        """Samples in a frame."""
        return self.ticks * self.codec.samples_per_tick

    @property
    def ticks(self) -> int:
        """RTP timestamp ticks in a frame."""
        return round(self.ptime * self.codec.clock_rate / 1000)

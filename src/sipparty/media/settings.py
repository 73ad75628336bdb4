"""What a stream has to know of what was agreed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple

from sipparty.errors import UsageError
from sipparty.media.codecs import CodecType, Decoder
from sipparty.media.rtp.source import Address

__all__ = [
    "ReceivedFormat",
    "StreamSettings",
    "check_bounds",
    "check_dscp",
    "check_port_range",
    "check_sample_rate",
    "check_score",
    "check_seconds",
]

#: Samples a second that may be played, and recorded.
_RATES: Final = range(1000, 384_001)


def check_dscp(value: object) -> int:
    """Return a Differentiated Services code point, which has six bits.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(value, int) or not 0 <= value <= 63:
        raise UsageError(f"dscp={value!r} is no code point from 0 to 63.")
    return value


def check_score(name: str, value: object) -> None:
    """See that an option is a mean opinion score, 1 to 4.5, or None.

    Raises:
        UsageError: It is not.
    """
    if value is not None and not (
        isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 4.5
    ):
        raise UsageError(f"{name}={value!r} is no mean opinion score from 1 to 4.5.")


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


def check_bounds(
    min_delay: float, max_delay: float, port_range: tuple[int, int] | None = None
) -> None:
    """See that the bounds of the playout delay are some, and those of the ports.

    Raises:
        UsageError: One is no number, or the least is above the most; or the ports hold no pair.
    """
    check_seconds("min_delay", min_delay, zero=True)
    check_seconds("max_delay", max_delay)
    if min_delay > max_delay:
        raise UsageError(f"min_delay={min_delay} is above max_delay={max_delay}.")
    if port_range is not None:
        check_port_range(port_range)


def check_port_range(port_range: tuple[int, int]) -> None:
    """See that a range of ports has a pair for RTP and RTCP.

    Raises:
        UsageError: It has none, or is no range.
    """
    match port_range:
        case (int(first), int(last)) if 0 < first <= last <= 65535 and first + first % 2 < last:
            return
        case (first, last):
            shown = f"{first}-{last}"
        case _:
            shown = repr(port_range)
    raise UsageError(
        f"A port range holds an even port and the next one, from 1 to 65535; {shown} does not."
    )


def check_sample_rate(value: object) -> None:
    """See that something is a sample rate of a file or of what is played.

    Raises:
        UsageError: It is none.
    """
    if value not in _RATES:
        raise UsageError(f"rate={value!r} is no number of samples a second from 1000 to 384000.")


class ReceivedFormat(NamedTuple):
    """What may come under a payload type.

    Args:
        codec: What decodes it.
        fmtp: The format parameters that the other side stated, "" for none.
    """

    codec: CodecType
    fmtp: str = ""

    def decoder(self) -> Decoder:
        """A new decoder for it."""
        return self.codec.decoder(self.fmtp)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What was agreed on.

    Args:
        codec: What to send.
        payload_type: What to call it.
        receive: What may come, by payload type, whatever its clock; a `CodecType` may stand for a
            `ReceivedFormat` without parameters.
        ptime: Milliseconds in a packet that is sent, and in a frame that is played.
        remote: Where the other side wants its RTP; None where that is not known.
        remote_rtcp: Where it wants RTCP; None for nowhere.
        sends: Whether we send.
        receives: Whether we want to hear.
        fmtp: The format parameters that the other side states for `codec`, "" for none.
        dtmf_send: Payload type and clock rate of telephone events to send (RFC 4733); None where
            the other side takes none.
        dtmf_receive: Clock rates of telephone events that may come, by payload type.
        cn_send: Payload type of comfort noise to send (RFC 3389), in the clock of `codec`; None
            where there is none.
        cn_receive: Clock rates of comfort noise that may come, by payload type.
        xr: The extended reports that the other side asks for (RFC 3611 section 5): "voip-metrics",
            "rcvr-rtt".
    """

    codec: CodecType
    payload_type: int
    receive: Mapping[int, ReceivedFormat]
    ptime: float = 20.0
    remote: Address | None = None
    remote_rtcp: Address | None = None
    sends: bool = True
    receives: bool = True
    fmtp: str = ""
    dtmf_send: tuple[int, int] | None = None
    dtmf_receive: Mapping[int, int] = field(default_factory=dict)
    cn_send: int | None = None
    cn_receive: Mapping[int, int] = field(default_factory=dict)
    xr: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        receive = {
            kind: ReceivedFormat(one) if isinstance(one, CodecType) else one
            for kind, one in self.receive.items()
        }
        object.__setattr__(self, "receive", receive)

    def clock_of(self, payload_type: int) -> int:
        """Ticks a second of a payload type of `receive` or `cn_receive`."""
        received = self.receive.get(payload_type)
        return self.cn_receive[payload_type] if received is None else received.codec.clock_rate

    @property
    def samples(self) -> int:
        """Samples in a frame."""
        return self.ticks * self.codec.samples_per_tick

    @property
    def ticks(self) -> int:
        """RTP timestamp ticks in a frame."""
        return round(self.ptime * self.codec.clock_rate / 1000)

"""Media formats: what a payload type number stands for (RFC 8866 Section 6.6, RFC 3551 Section 6).

Promises of this module:

1. Two formats match when encoding name (without regard to case, RFC 8866 Section 5.14), clock rate
   and channels are equal, and so are the fmtp parameters that choose a configuration rather than
   state a wish (RFC 3264 Section 6.1). Those parameters are the table `CONFIGURATION`; a format
   that is not in it matches whatever its fmtp.
2. A format says nothing of one session: its payload type is a wish until `assign_payload_types`
   gives it one.
3. Comfort noise, telephone events and the like are formats as any other; that a stream needs more
   than them is a rule of negotiation, and `AUXILIARY` names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sipparty.errors import BuildError
from sipparty.sdp.grammar import (
    ANY_TEXT,
    NON_SPACE,
    InvalidValue,
    check_integer,
    check_pattern,
)

__all__ = [
    "AUXILIARY",
    "CONFIGURATION",
    "STATIC_PAYLOAD_TYPES",
    "Format",
    "FormatLike",
    "RTPMap",
    "assign_payload_types",
    "parse_fmtp",
    "payload_type",
]

_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}", re.ASCII)
_RTPMAP = re.compile(r"([0-9]{1,3}) +([^/ ]+)/([0-9]{1,9})(?:/([0-9]{1,3}))? *", re.ASCII)
_NAMED = re.compile(r"([^/ ]+)(?:/([0-9]{1,9})(?:/([0-9]{1,3}))?)?", re.ASCII)


def payload_type(text: str) -> int | None:
    """The payload type that a format of an m= line names, 0 to 127; None where it names none."""
    if _PAYLOAD_TYPE.fullmatch(text) is None or int(text) > 127:
        return None
    return int(text)


@dataclass(frozen=True, slots=True)
class RTPMap:
    """What a payload type stands for (RFC 8866 Section 6.6).

    Args:
        encoding: The encoding name, such as "PCMU"; compared without regard to case.
        clock_rate: RTP timestamp units in a second. 0 for a format that is not RTP.
        channels: Of audio; 1 where the description says nothing.

    Raises:
        BuildError: A value cannot stand in an rtpmap attribute.
    """

    encoding: str
    clock_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        check_pattern(self.encoding, NON_SPACE, "encoding name")
        if "/" in self.encoding:
            raise InvalidValue(self.encoding, "an encoding name without '/'")
        check_integer(self.clock_rate, 0, 999_999_999, "clock rate")
        check_integer(self.channels, 1, 999, "number of channels")

    @classmethod
    def read(cls, value: str) -> tuple[int, RTPMap] | None:
        """The payload type and mapping that the value of an rtpmap attribute says; None where it is
        malformed.
        """
        match = _RTPMAP.fullmatch(value)
        if match is None or int(match[1]) > 127:
            return None
        try:
            return int(match[1]), cls(match[2], int(match[3]), int(match[4] or 1))
        except BuildError:
            return None

    def same(self, other: RTPMap) -> bool:
        """Whether both name one encoding at one clock rate with as many channels."""
        return (
            self.clock_rate == other.clock_rate
            and self.channels == other.channels
            and self.encoding.casefold() == other.encoding.casefold()
        )

    def __str__(self) -> str:
        tail = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.encoding}/{self.clock_rate}{tail}"


#: The static payload types of RFC 3551 Section 6, Tables 4 and 5.
STATIC_PAYLOAD_TYPES: dict[int, RTPMap] = {
    0: RTPMap("PCMU", 8000),
    3: RTPMap("GSM", 8000),
    4: RTPMap("G723", 8000),
    5: RTPMap("DVI4", 8000),
    6: RTPMap("DVI4", 16000),
    7: RTPMap("LPC", 8000),
    8: RTPMap("PCMA", 8000),
    9: RTPMap("G722", 8000),
    10: RTPMap("L16", 44100, 2),
    11: RTPMap("L16", 44100),
    12: RTPMap("QCELP", 8000),
    13: RTPMap("CN", 8000),
    14: RTPMap("MPA", 90000),
    15: RTPMap("G728", 8000),
    16: RTPMap("DVI4", 11025),
    17: RTPMap("DVI4", 22050),
    18: RTPMap("G729", 8000),
    25: RTPMap("CelB", 90000),
    26: RTPMap("JPEG", 90000),
    28: RTPMap("nv", 90000),
    31: RTPMap("H261", 90000),
    32: RTPMap("MPV", 90000),
    33: RTPMap("MP2T", 90000),
    34: RTPMap("H263", 90000),
}

#: Formats that accompany another one: a stream of nothing but these carries no conversation.
#: Lower case.
AUXILIARY = frozenset(
    {"cn", "telephone-event", "tone", "red", "rtx", "ulpfec", "flexfec", "parityfec"}
)

# Formats without a static payload type that `Format.of` knows by their bare name.
_BY_NAME: dict[str, RTPMap] = {
    rtpmap.encoding.casefold(): rtpmap
    for rtpmap in (
        RTPMap("telephone-event", 8000),  # RFC 4733
        RTPMap("opus", 48000, 2),  # RFC 7587 Section 4.1: always 48000 and 2
        RTPMap("iLBC", 8000),  # RFC 3952
        RTPMap("AMR", 8000),  # RFC 4867
        RTPMap("AMR-WB", 16000),  # RFC 4867
        RTPMap("H264", 90000),  # RFC 6184
        RTPMap("VP8", 90000),  # RFC 7741
        RTPMap("VP9", 90000),  # RFC 9628
    )
}
for _rtpmap in STATIC_PAYLOAD_TYPES.values():
    # DVI4 and L16 have several: the first is what the bare name means.
    _BY_NAME.setdefault(_rtpmap.encoding.casefold(), _rtpmap)


@dataclass(frozen=True, slots=True)
class _Configuration:
    """A parameter both sides must have alike: the value it has where absent, and how much of it
    counts.
    """

    default: str
    length: int | None = None


#: The fmtp parameters that choose a configuration of a format, so that formats which differ in
#: them do not match (RFC 3264 Section 6.1), by encoding in lower case.
CONFIGURATION: dict[str, dict[str, _Configuration]] = {
    # RFC 6184 Section 8.2.2: packetization mode and profile are symmetric; the level, last of the
    # six digits, is not.
    "h264": {
        "packetization-mode": _Configuration("0"),
        "profile-level-id": _Configuration("42000a", 4),
    },
    # RFC 4867 Section 8.3.1.
    "amr": {
        "octet-align": _Configuration("0"),
        "crc": _Configuration("0"),
        "robust-sorting": _Configuration("0"),
        "interleaving": _Configuration(""),
    },
}
CONFIGURATION["amr-wb"] = CONFIGURATION["amr"]


def parse_fmtp(parameters: str | None) -> dict[str, str]:
    """The `name=value` pairs of fmtp parameters, names in lower case; a part without "=" has the
    value "".
    """
    result: dict[str, str] = {}
    for part in (parameters or "").split(";"):
        name, _, value = part.partition("=")
        if name := name.strip().casefold():
            result.setdefault(name, value.strip())
    return result


@dataclass(frozen=True, slots=True)
class Format(RTPMap):
    """A media format, as offered, answered or supported: an encoding with its parameters.

    Args:
        encoding: The encoding name, such as "PCMU"; for media that is not RTP, the format's own
            name, such as "t38".
        clock_rate: RTP timestamp units in a second; 0 for media that is not RTP.
        channels: Of audio.
        payload_type: 0 to 127; None takes the static one or, where there is none, a free dynamic
            one.
        fmtp: The format's parameters, as in `a=fmtp` after the payload type; None for none.

    Raises:
        BuildError: A value cannot stand in a description.
    """

    clock_rate: int = 8000
    payload_type: int | None = None
    fmtp: str | None = None

    def __post_init__(self) -> None:
        RTPMap.__post_init__(self)
        if self.payload_type is not None:
            check_integer(self.payload_type, 0, 127, "payload type")
        if self.fmtp is not None:
            check_pattern(self.fmtp, ANY_TEXT, "format parameters")

    @classmethod
    def of(cls, what: FormatLike) -> Format:
        """A format from its short notation.

        Args:
            what: A `Format`, which is given back; a static payload type, as `0`; or a name with as
                much as it takes to be clear: "PCMU", "telephone-event", "L16/44100/2"; "t38/0" for
                what is not RTP. Names without a clock rate are those of RFC 3551 and the common
                dynamic ones.

        Raises:
            BuildError: It names no format.
        """
        if isinstance(what, Format):
            return what
        if isinstance(what, int):
            if what not in STATIC_PAYLOAD_TYPES:
                raise InvalidValue(what, "a static payload type of RFC 3551")
            rtpmap = STATIC_PAYLOAD_TYPES[what]
            return cls(rtpmap.encoding, rtpmap.clock_rate, rtpmap.channels, what)
        match = _NAMED.fullmatch(what)
        if match is None:
            raise InvalidValue(what, "a format such as 'PCMU' or 'opus/48000/2'")
        if match[2] is not None:
            return cls(match[1], int(match[2]), int(match[3] or 1))
        known = _BY_NAME.get(match[1].casefold())
        if known is None:
            raise InvalidValue(what, "a clock rate after the name of a format, as in 'L16/16000'")
        return cls(known.encoding, known.clock_rate, known.channels)

    @property
    def is_auxiliary(self) -> bool:
        """Whether the format only accompanies another one, as telephone events and comfort noise
        do.
        """
        return self.encoding.casefold() in AUXILIARY

    def matches(self, other: Format) -> bool:
        """Whether media in one format is media in the other."""
        if not self.same(other):
            return False
        configuration = CONFIGURATION.get(self.encoding.casefold())
        if not configuration:
            return True
        mine, theirs = parse_fmtp(self.fmtp), parse_fmtp(other.fmtp)
        return all(
            mine.get(name, rule.default)[: rule.length].casefold()
            == theirs.get(name, rule.default)[: rule.length].casefold()
            for name, rule in configuration.items()
        )

    def __str__(self) -> str:
        return RTPMap.__str__(self) if self.clock_rate else self.encoding


#: What stands for a format where one is asked for: see `Format.of`.
FormatLike = Format | str | int

# RFC 3551 Section 3: 96 to 127 are dynamic, and unassigned ones may serve where these run out. 64
# to 95 stay free, since they could be taken for RTCP (RFC 5761 Section 4).
_DYNAMIC = (*range(96, 128), *range(35, 64))


def assign_payload_types(
    formats: Iterable[Format], history: Sequence[Format] = ()
) -> tuple[Format, ...]:
    """Give each format a payload type of its own.

    Args:
        formats: In order of preference. A payload type they ask for is theirs if it is free.
        history: Formats with the payload types they had earlier in this stream. A payload type
            never changes its meaning (RFC 3264 Section 8.3.2), and a format keeps the one it had.

    Returns:
        The formats, each with a payload type.

    Raises:
        BuildError: There are more formats than payload types.
    """
    wanted = list(formats)
    types: list[int | None] = []
    for wish in wanted:
        kept = (old.payload_type for old in history if old.matches(wish))
        types.append(next((number for number in kept if number not in types), None))
    taken = {old.payload_type for old in history} | set(types)
    # Wishes come before free choice, so that none is given away to a format that would take any.
    for rank in (_wished, _any):
        for index, wish in enumerate(wanted):
            if types[index] is None:
                types[index] = next((pt for pt in rank(wish) if pt not in taken), None)
                taken.add(types[index])
    if None in types:
        raise BuildError(f"{len(wanted)} formats are more than there are payload types left.")
    return tuple(
        replace(wish, payload_type=number) for wish, number in zip(wanted, types, strict=True)
    )


def _wished(wish: Format) -> Iterable[int]:
    if wish.payload_type is not None:
        yield wish.payload_type
    for number, rtpmap in STATIC_PAYLOAD_TYPES.items():
        if rtpmap.same(wish):
            yield number


def _any(wish: Format) -> Iterable[int]:
    return _DYNAMIC

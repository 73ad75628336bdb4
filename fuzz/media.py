"""Parsers of media beside RTP, RTCP and SRTP: extended reports and telephone events.

Beside the laws of `fuzz.targets`: what receives telephone events takes any payload, in any order.
"""

from __future__ import annotations

from functools import cache

from fuzz.laws import attempt, law, look_at
from sipparty.media.dtmf.receiving import EventReceiver
from sipparty.media.dtmf.telephone_event import TelephoneEvent
from sipparty.media.rtp.rtcp import UnknownRTCP, parse_rtcp
from sipparty.media.rtp.rtcp_xr import (
    ExtendedReport,
    LastReferences,
    OtherBlock,
    Reference,
    ReferenceTime,
    VoIPMetrics,
)

__all__ = ["event", "events", "read_event", "read_xr", "xr", "xrs"]


def read_xr(data: bytes) -> None:
    """Read the body of an extended report."""
    attempt(ExtendedReport.read, UnknownRTCP(207, 0, data))


def xr(data: bytes) -> bool:
    """The body of an extended report; what is read is written and read as the same."""
    report = attempt(ExtendedReport.read, UnknownRTCP(207, 0, data))
    if report is None:
        return False
    look_at(report)
    (packet,) = parse_rtcp(bytes(report), compound=False)
    again = ExtendedReport.read(packet)
    law(bytes(again) == bytes(report), "what is written is read as the same")
    return True


@cache
def xrs() -> tuple[bytes, ...]:
    """Bodies of extended reports."""
    blocks = (
        ReferenceTime(0x0102030405060708),
        LastReferences((Reference(1, 2, 3), Reference(4))),
        VoIPMetrics(7, 0.1, 0.2, 0.5, 0.01, 0.1, 2.0, 0.2, 0.1, mos_lq=4.1, r_factor=88),
        OtherBlock(1, 5, b"abcdefgh"),
    )
    each = [bytes(ExtendedReport(9, (one,)))[4:] for one in blocks]
    return (*each, bytes(ExtendedReport(9, blocks))[4:], b"\x00\x00\x00\x01")


def read_event(data: bytes) -> None:
    """Read a payload of telephone events."""
    attempt(TelephoneEvent.parse, data)


def event(data: bytes) -> bool:
    """A payload of telephone events, taken by a receiver in several packets too."""
    receiver = EventReceiver({101: 8000, 110: 48000})
    for n, start in enumerate(range(0, min(len(data), 64), 7)):
        piece = data[start : start + 4]
        kind = 101 if start % 2 else 110
        number, at = int.from_bytes(piece[:2]), int.from_bytes(piece) & 0xFFFFFFFF
        for one in receiver.receive(kind, number, at, bool(n % 3), data[start:], n * 0.02):
            repr(one)
    reports = attempt(TelephoneEvent.parse, data)
    if reports is None:
        return False
    law(len(b"".join(map(bytes, reports))) == len(data), "a report has four octets")
    return True


@cache
def events() -> tuple[bytes, ...]:
    """Payloads of telephone events."""
    reports = (TelephoneEvent(1, 160), TelephoneEvent(11, 1600, True, 10), TelephoneEvent(200, 0))
    return (*map(bytes, reports), b"".join(map(bytes, reports)))

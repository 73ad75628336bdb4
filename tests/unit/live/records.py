"""Records of calls that were never made."""

from __future__ import annotations

from sipparty.trace.records import QualityRecord, StateRecord
from sipparty.trace.wirelog import WireRecord

ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


def request(
    method: str = "INVITE",
    time: float = 0.0,
    call: str = "call-1",
    caller: str = "<sip:alice@atlanta.com>;tag=1",
) -> WireRecord:
    lines = [
        f"{method} sip:bob@biloxi.com SIP/2.0",
        f"From: {caller}",
        "t: Bob <sip:bob:secret@biloxi.com;user=phone>",
        f"Call-ID: {call}",
        f"CSeq: 1 {method}",
    ]
    data = "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape")
    return WireRecord(time, "sent", "UDP", ALICE, BOB, data)


def response(
    status: int, reason: str = "", time: float = 0.0, method: str = "INVITE", call: str = "call-1"
) -> WireRecord:
    lines = [f"SIP/2.0 {status} {reason}", f"Call-ID: {call}", f"CSeq: 1 {method}"]
    data = "\r\n".join((*lines, "", "")).encode()
    return WireRecord(time, "received", "UDP", ALICE, BOB, data)


def quality(time: float, mos: float | None = 4.2, call: str = "call-1") -> QualityRecord:
    return QualityRecord(time, ALICE, BOB, call, mos, 0.02, 0.004, 0.03)


def step(old: str, input: str, new: str, time: float = 0.0, call: str = "call-1") -> StateRecord:
    return StateRecord(time, "SimpleCall3", "SimpleCall", call, old, input, new)


#: A call that is up.
CALL = [
    request(time=100.0),
    step("Initial", "invite", "InitiatingDialog", 100.0),
    response(180, "Ringing", 101.0),
    response(200, "OK", 103.0),
    step("InitiatingDialog", "success", "InDialog", 103.0),
    request("ACK", 103.1),
    quality(104.0),
    quality(105.0, 3.9),
]

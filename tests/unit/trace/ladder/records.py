"""Records to be drawn: messages, and a call of every kind of record."""

from sipparty.trace import (
    KeyRecord,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    WireRecord,
)

ALICE = ("10.0.0.1", 5060)
BOB = ("10.0.0.2", 5060)
PROXY = ("10.0.0.3", 5060)
NAMES = {"10.0.0.1": "alice", "10.0.0.2:5060": "bob"}


def request(method="INVITE", cseq=1, call="call-1", body=b""):
    lines = [f"{method} sip:bob@biloxi.com SIP/2.0", f"CSeq: {cseq} {method}", f"Call-ID: {call}"]
    if body:
        lines.append("Content-Type: application/sdp")
    return "\r\n".join((*lines, "", "")).encode() + body


def response(status=200, reason="OK", method="INVITE", cseq=1, call="call-1"):
    lines = [f"SIP/2.0 {status} {reason}", f"i: {call}", f"CSEQ : {cseq} {method}", "", ""]
    return "\r\n".join(lines).encode()


def sent(time, data, local=ALICE, remote=BOB, transport="UDP"):
    return WireRecord(time, "sent", transport, local, remote, data)


def received(time, data, local=BOB, remote=ALICE, transport="UDP"):
    return WireRecord(time, "received", transport, local, remote, data)


CALL = [
    sent(100.0, request(body=b"v=0\r\n")),
    received(100.001, response(180, "Ringing"), ALICE, BOB),
    received(101.0, response(), ALICE, BOB),
    sent(101.0005, request("ACK")),
]

#: What is no message, at the end of the call.
OTHERS = [
    StateRecord(101.1, "Call7", "Call", "call-1", "A", "go", "B", True, (("stop", 4.0),), ALICE),
    NoteRecord(101.2, "call-1", "the menu asks"),
    KeyRecord(101.3, ALICE, BOB, "call-1", "5", "sent", 0.1),
    QualityRecord(101.4, BOB, ALICE, "call-1", 4.2, 0.01, 0.003, 0.02),
    MediaRecord(102.0, ALICE, BOB, 250, 249, 1, "PCMU", 5.0, "call-1"),
]

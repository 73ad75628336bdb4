"""Times what each library does to one message, in its own words.

    message_work.py LIBRARY SECONDS

A job is: take the bytes of an INVITE, read its six core headers as typed values (the branch of the
Via, the tag of the From, the user of the To's URI, the Call-ID, number and method of the CSeq, the
host of the Contact's URI), and write it out again as bytes. `plain` and `SDP` write it as it came;
`changed` first lowers Max-Forwards, as a proxy does. What was read is checked against what is
right before anything is timed, and so is what was written.

No message is read twice in a row: two thousand of them differ in branch, tag, Call-ID and CSeq, as
those of a day do, so that remembering texts is worth what it is worth there.

Prints one line of JSON: microseconds a job, the best of many short runs.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Read = tuple[str, str, str, str, int, str, str]
Job = Callable[[bytes], tuple[Read, bytes]]

_HEAD = (
    "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKnashds8;rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "Alice" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n'
    "To: Bob <sip:bob@biloxi.example.com>\r\n"
    "Call-ID: 3848276298220188511@atlanta.example.com\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@client.atlanta.example.com;transport=udp>\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, REFER\r\n"
    "Supported: replaces, timer, 100rel\r\n"
    "Subject: Lunch\r\n"
    "User-Agent: phone/1.0\r\n"
)
_SDP = (
    "v=0\r\n"
    "o=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.101\r\n"
    "t=0 0\r\n"
    "m=audio 49172 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
    "a=sendrecv\r\n"
)
PLAIN = f"{_HEAD}Content-Length: 0\r\n\r\n".encode()
SDP = f"{_HEAD}Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n\r\n{_SDP}".encode()

_RIGHT: Read = (
    "z9hG4bKnashds8",
    "9fxced76sl",
    "bob",
    "3848276298220188511@atlanta.example.com",
    314159,
    "INVITE",
    "client.atlanta.example.com",
)

#: How many jobs one short run does.
_RUN = 200

#: How many messages differ.
_DIFFERENT = 2000


def _canned() -> dict[str, Job]:
    """The floor: split into lines, cut out the texts, join; nothing is checked."""

    def job(data: bytes, forwards: str | None = None) -> tuple[Read, bytes]:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.lower()] = (name, value.strip())
        number, method = fields["cseq"][1].split(" ")
        read = (
            fields["via"][1].partition("branch=")[2].partition(";")[0],
            fields["from"][1].partition("tag=")[2],
            fields["to"][1].partition("sip:")[2].partition("@")[0],
            fields["call-id"][1],
            int(number),
            method,
            fields["contact"][1].partition("@")[2].partition(";")[0],
        )
        if forwards:
            fields["max-forwards"] = ("Max-Forwards", forwards)
        out = [start, *(f"{name}: {value}" for name, value in fields.values()), "", body]
        return read, "\r\n".join(out).encode()

    return {"read": job, "changed": lambda data: job(data, "69")}


def _sipparty() -> dict[str, Job]:
    from sipparty.sip import Message

    def job(data: bytes, forwards: int | None = None) -> tuple[Read, bytes]:
        message = Message.parse(data)
        cseq = message.cseq
        read = (
            message.via.branch,
            message.from_.tag,
            message.to.username,
            message.call_id,
            cseq.number,
            cseq.method,
            message.contact.address,
        )
        if forwards is not None:
            message["Max-Forwards"] = forwards
        return read, bytes(message)

    return {"read": job, "changed": lambda data: job(data, 69)}


def _aiosipua() -> dict[str, Job]:
    from aiosipua import SipMessage

    def job(data: bytes, forwards: str | None = None) -> tuple[Read, bytes]:
        message: Any = SipMessage.parse(data)
        cseq = message.cseq
        read = (
            message.via[0].branch,
            message.from_addr.tag,
            message.to_addr.uri.user,
            message.call_id,
            cseq.seq,
            cseq.method,
            message.contact[0].uri.host,
        )
        if forwards:
            message.set_header("Max-Forwards", forwards)
        return read, bytes(message)

    return {"read": job, "changed": lambda data: job(data, "69")}


def _sippy() -> dict[str, Job]:
    from sippy.SipRequest import SipRequest

    def job(data: bytes, lower: bool = False) -> tuple[Read, bytes]:
        message: Any = SipRequest(data.decode())
        number, method = message.getHFBody("cseq").getCSeq()
        read = (
            message.getHFBody("via").getBranch(),
            message.getHFBody("from").getTag(),
            message.getHFBody("to").getUrl().username,
            str(message.getHFBody("call-id")),
            number,
            method,
            message.getHFBody("contact").getUrl().host,
        )
        if lower:
            message.getHFBody("max-forwards").incNum(-1)
        return read, str(message).encode()

    return {"read": job, "changed": lambda data: job(data, True)}


JOBS = {"canned": _canned, "sipparty": _sipparty, "aiosipua": _aiosipua, "sippy": _sippy}


def _check(job: Job, data: bytes, forwards: int) -> None:
    read, out = job(data)
    if read != _RIGHT:
        raise SystemExit(f"read {read}, expected {_RIGHT}")
    head, _, body = out.partition(b"\r\n\r\n")
    _, _, right_body = data.partition(b"\r\n\r\n")
    lines = {line.lower() for line in head.split(b"\r\n")}
    if body != right_body or b"max-forwards: %d" % forwards not in lines or len(lines) < 12:
        raise SystemExit(f"wrote {out!r}")


def _variants(data: bytes) -> list[bytes]:
    """The message with a branch, a tag, a Call-ID and a CSeq of its own, as long as before."""
    made = []
    for number in range(_DIFFERENT):
        own = b"%06d" % number
        made.append(
            data.replace(b"nashds8", b"n" + own)
            .replace(b"9fxced76sl", b"9fxc" + own)
            .replace(b"220188511@", own + b"511@")
            .replace(b"314159 I", own + b" I")
        )
    return made


def _best(job: Job, data: bytes, seconds: float) -> float:
    clock = time.perf_counter
    messages = _variants(data)
    runs = itertools.cycle([messages[at : at + _RUN] for at in range(0, _DIFFERENT, _RUN)])
    until = clock() + seconds
    best = float("inf")
    while clock() < until:
        run = next(runs)
        began = clock()
        for message in run:
            job(message)
        best = min(best, clock() - began)
    return best / _RUN * 1e6


def main() -> None:
    """Check, then time."""
    library, seconds = sys.argv[1], float(sys.argv[2]) / 3
    jobs = JOBS[library]()
    _check(jobs["read"], PLAIN, 70)
    _check(jobs["read"], SDP, 70)
    _check(jobs["changed"], SDP, 69)
    result = {
        "plain": _best(jobs["read"], PLAIN, seconds),
        "sdp": _best(jobs["read"], SDP, seconds),
        "changed": _best(jobs["changed"], SDP, seconds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

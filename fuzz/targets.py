"""The parsers that are fuzzed, and what has to hold of each after any input.

Laws, of every parser here:

* The only error is `ParseError`. Its text can be shown, its position is in the text, its status
  is one to answer with.
* What was read is looked at from all sides: every property, every header, `str`, `repr`, `hash`.
  That raises nothing but `ParseError` either.
* What was read is written back as the parser's module promises: to the octet, or as something
  that is read as the same.

A target's `probe` takes an input, says whether it was read, and raises for a defect: `Broken` for
a law that does not hold, else whatever came out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fuzz import bodies, grammar, media, security, seeds, states
from fuzz.laws import Broken, attempt, check_refusal, law, look_at
from fuzz.words import AUTH_WORDS, RTP_WORDS, SDP_WORDS, SIP_WORDS
from sipparty import sdp
from sipparty.errors import BuildError, NegotiationError, ParseError
from sipparty.media.rtp.packet import RTPPacket, looks_like_rtcp
from sipparty.media.rtp.rtcp import parse_rtcp
from sipparty.media.srtp.crypto_attribute import CryptoAttribute
from sipparty.sdp import MediaCapability, SessionDescription, make_answer, negotiated_streams
from sipparty.sip import AOR, URI, Core, DNameURI, Flow, Host, Message, Request, UserAgent, Via
from sipparty.sip.auth import AuthenticationInfo, Challenge, Credentials
from sipparty.sip.components import escape, unescape
from sipparty.sip.core import FlowWanted
from sipparty.sip.fields import HeaderFields, parse_line
from sipparty.sip.framing import FramingFailed, StreamFramer
from sipparty.sip.grammar import MAX_PARAMETERS
from sipparty.sip.limits import Limits
from sipparty.sip.refusals import salvage
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.validation import findings, first_fault
from sipparty.testing import SequentialTokens

__all__ = ["TARGETS", "Broken", "Target"]


#: What is written otherwise than it came: bare line feeds, and white space in a start line.
_MENDED = re.compile(rb"(?<!\r)\n|\A[\r\n]*[^\r\n]*(?:[ \t][ \t]|\t|[ \t]\r)")
#: The end of a header line; what is folded goes on (RFC 3261 §7.3.1).
_LINE_END = re.compile(r"\r\n(?![ \t])")


# ---------------------------------------------------------------------- SIP


def _inspect(message: HeaderFields) -> None:
    """Ask for every header of a message, and write each into a message of its own."""
    for name in message:
        message.lines(name)
        values = attempt(message.all, name)
        attempt(message.get, name)
        for value in values or ():
            if type(value) not in (str, int):
                look_at(value)
        for value in values or ():
            _rewrite(name, value)


def _rewrite(name: str, value: Any) -> None:
    """A value stays in its line, whatever it holds."""
    try:
        written = bytes(Request("OPTIONS", "sip:a@b", [(name, value)]))
    except (BuildError, ParseError):
        return
    lines = written.split(b"\r\n")
    # The start line, the header, Content-Length, and two empty ones for the end of the head.
    law(len(lines) == 5 - (name == "Content-Length"), "a value stays in its line")
    law(b"\n" not in b"".join(lines) and b"\r" not in b"".join(lines), "no break in a line")
    attempt(Message.parse, written)


def _message(data: bytes) -> bool:
    attempt(salvage, data)
    message = attempt(Message.parse, data)
    if message is None:
        return False
    wire = bytes(message)
    law(wire in data or _MENDED.search(data), "an untouched message is written back as it came")
    law(Message.parse(wire) == message, "a message is read again as it was")
    head = wire.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    law(all(b":" in line or line[:1] in b" \t" for line in head), "a header has a colon")
    repr(message)
    _inspect(message)
    law(bytes(message) == wire, "looking changes nothing")
    found = findings(message)
    law(all(one.status == 0 or 400 <= one.status <= 699 for one in found), "findings have a status")
    worst = next((one for one in found if one.status), None)
    law(first_fault(message) == worst, "the first fault is the first that counts")
    if isinstance(message, Request):
        law(not grammar.check_facts(message) or worst is None, "what is plain is right")
        attempt(lambda: message.uri)
        response = message.response(200, to_tag="ours", dialog=True)
        law(_again(bytes(response)), "a response to it can be read")
        law(bytes(message) == wire, "looking changes nothing")
    message.add("X-Added", "1")
    law(_again(bytes(message)), "a header can be added")
    return True


def _again(data: bytes) -> bool:
    """Whether a message that was written can be read, but for its having become too large."""
    try:
        Message.parse(data)
    except ParseError as error:
        return error.status == 513
    return True


def _headers(data: bytes) -> bool:
    fields = []
    for line in _LINE_END.split(data.decode("utf-8", "surrogateescape")):
        if line:
            parsed = attempt(parse_line, line)
            if parsed is not None:
                fields.append((*parsed, line))
    if not fields:
        return False
    _inspect(Request.of("OPTIONS", "sip:a@b", fields))
    return True


def _uri(data: bytes) -> bool:
    text = data.decode("utf-8", "surrogateescape")
    law(unescape(escape(text)) == text, "what is escaped can be unescaped")
    for read in (split_sip_uri, AOR.parse, Host.parse, URI.from_user_text):
        found = attempt(read, text)
        if isinstance(found, AOR | Host | URI):
            look_at(found)
    uri = attempt(URI.parse, data)
    if uri is None:
        law(attempt(URI.parse, text) is None, "bytes and text are read alike")
        law(attempt(split_sip_uri, text) is None, "both forms of reading a URI take the same")
        return False
    law(bytes(uri) == data, "a URI is written back as it came")
    grammar.agree(text)
    look_at(uri)
    law(uri.equivalent(uri), "a URI is equivalent to itself")
    law(URI.parse(text) == uri, "bytes and text are read alike")
    for pairs in (uri.parameters, uri.headers):
        law(len(dict(pairs)) == len(pairs) <= len(pairs.pairs()), "pairs are a mapping")
        _ = list(pairs.items())
    if uri.aor is not None:
        uri.parameters["x"] = "y"
        law(attempt(URI.parse, str(uri)) == uri, "a URI can be changed")
    return True


def _value_of(kind: Any) -> Callable[[bytes], bool]:
    """The probe of a header value's class."""

    def probe(data: bytes) -> bool:
        value = attempt(kind.parse, data)
        if value is None:
            return False
        text = data.decode("utf-8", "surrogateescape")
        law(str(value) == text, "a value is written back as it came")
        look_at(value)
        law(str(value) == text, "looking changes nothing")
        law(kind.parse(text) == value, "bytes and text are read alike")
        # "<*>" passes for "*", which is written without brackets.
        full = text.count(";") >= MAX_PARAMETERS
        if (
            attempt(lambda: value.parameters) is not None
            and data.strip()[:3] != b"<*>"
            and not full
        ):
            value.parameters["x"] = "y"
            again = attempt(kind.parse, str(value))
            law(again is not None and again.parameter("x") == "y", "a value can be changed")
        return True

    return probe


def _auth(data: bytes) -> bool:
    text = data.decode("utf-8", "surrogateescape")
    read = False
    for kind in (Challenge, Credentials):
        values, errors = kind.sift([text])
        for error in errors:
            check_refusal(error)
        strict = attempt(kind.parse_list, text)
        law(errors or strict == values, "what is sifted is what is read")
        for value in values:
            read = True
            look_at(value)
            law(kind.parse(str(value)) == value, "what is written is read as the same")
    information = attempt(AuthenticationInfo.parse, text)
    if information is not None:
        look_at(information)
        law(AuthenticationInfo.parse(str(information)) == information, "written as read")
    return read


#: Small, so that fuzzing meets them.
_STREAM_LIMITS = Limits(max_head=4096, max_body=4096, max_pending=6000, max_skip=8192)


def _cuts(data: bytes) -> Iterator[list[bytes]]:
    """Cuts of a stream: two halves, a few pieces chosen by the data, single bytes."""
    middle = sum(data[:16]) % (len(data) + 1)
    yield [data[:middle], data[middle:]]
    step = 1 + sum(data[-8:]) % 97
    yield [data[at : at + step] for at in range(0, len(data), step)]
    if len(data) <= 512:
        yield [data[at : at + 1] for at in range(len(data))]


def _facts(events: Sequence[Any]) -> list[Any]:
    return [
        (str(one.error), one.error.status, one.head, one.fatal)
        if isinstance(one, FramingFailed)
        else one
        for one in events
    ]


def _stream(data: bytes) -> bool:
    whole = StreamFramer(_STREAM_LIMITS)
    events = whole.feed(data)
    law(whole.pending <= 6000, "no more is held than the limits say")
    for one in events:
        if isinstance(one, FramingFailed):
            check_refusal(one.error)
        elif isinstance(one, bytes):
            law(one in data, "a message is a part of the stream")
            attempt(Message.parse, one)
    expected = _facts(events)
    for pieces in _cuts(data):
        framer = StreamFramer(_STREAM_LIMITS)
        seen = [event for piece in pieces for event in framer.feed(piece)]
        law(_facts(seen) == expected, "events do not depend on the cuts")
        law(framer.pending == whole.pending, "what is held does not depend on the cuts")
    return any(isinstance(one, bytes) for one in events)


def _core(data: bytes) -> bool:
    """A whole core with a party takes a datagram, lets time pass, and is left with nothing."""
    core = Core(SequentialTokens("a"))
    agent = UserAgent(core, "sip:bob@biloxi.com")
    core.directory.bind(agent, "endpoint")
    flow = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5060), "endpoint")
    core.receive(data, flow, 1.0)
    sent = 0
    for step in range(64):
        for written, _ in core.transmits():
            sent += 1
            Message.parse(written)
        for event in core.events():
            if isinstance(event, FlowWanted):
                core.flow_failed(event, "no route there", 1.0 + step)
        due = core.next_timer()
        if due is None or step > 40:
            break
        core.handle_timers(due)
    return sent > 0


# ---------------------------------------------------------------------- media


_ANEW = sdp.Limits(max_bytes=1_000_000, max_lines=100_000)


def _sdp(data: bytes) -> bool:
    attempt(lambda: SessionDescription.parse(data, strict=True))
    sd = attempt(SessionDescription.parse, data)
    if sd is None:
        return False
    law(bytes(sd) == data, "a description is written back as it came")
    # Line ends of two octets, and lines that may be left out, can make it longer than it came.
    anew = SessionDescription.parse(bytes(replace(sd)), limits=_ANEW)
    law(anew == sd, "written anew, it is the same")
    look_at(sd)
    for one in sd.media:
        look_at(one)
        one.inherited("ice-ufrag")
    try:
        answer = make_answer(sd, [MediaCapability(port=4000)], "192.0.2.9", 1)
    except NegotiationError:
        return True
    negotiated_streams(answer, sd, offerer=False)
    SessionDescription.parse(bytes(answer), strict=True, limits=_ANEW)
    return True


def _rtp(data: bytes) -> bool:
    looks_like_rtcp(data)
    packet = attempt(RTPPacket.parse, data)
    if packet is None:
        return False
    law(bytes(packet) == data, "a packet is written back as it came")
    look_at(packet)
    return True


def _rtcp(data: bytes) -> bool:
    packets = attempt(lambda: parse_rtcp(data, compound=False))
    strict = attempt(parse_rtcp, data)
    if packets is None:
        law(strict is None, "a compound packet is a stack of packets")
        return False
    law(strict is None or strict == packets, "both forms of reading agree")
    for packet in packets:
        look_at(packet)
    written = b"".join(map(bytes, packets))
    law(parse_rtcp(written, compound=False) == packets, "what is written is read as the same")
    return True


# ---------------------------------------------------------------------- reading, as a program does


def _read_fields(message: HeaderFields) -> None:
    for name in message:
        attempt(message.all, name)


def _read_message(data: bytes) -> None:
    message = attempt(Message.parse, data)
    if message is not None:
        _read_fields(message)


def _read_headers(data: bytes) -> None:
    fields = []
    for line in _LINE_END.split(data.decode("utf-8", "surrogateescape")):
        parsed = attempt(parse_line, line)
        if parsed is not None:
            fields.append((*parsed, line))
    _read_fields(Request.of("OPTIONS", "sip:a@b", fields))


def _read_auth(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for read in (Challenge.parse_list, Credentials.parse_list, AuthenticationInfo.parse):
        attempt(read, text)


def _read_stream(data: bytes) -> None:
    framer = StreamFramer()
    for at in range(0, len(data), 1460):
        framer.feed(data[at : at + 1460])


def _read_core(data: bytes) -> None:
    Core(SequentialTokens("a")).receive(
        data, Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5060), "endpoint"), 1.0
    )


def _reads(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    return lambda data: attempt(parse, data)


# ---------------------------------------------------------------------- the table


@dataclass(frozen=True)
class Target:
    """A parser to fuzz.

    Args:
        name: What it is called on the command line.
        probe: Takes an input; says whether it was read; raises for a defect.
        read: Takes an input as a program that uses the parser would: once. What is timed is this.
        seeds: Gives the inputs to start from.
        words: Pieces that the parser knows.
        max_size: The longest input, in bytes.
    """

    name: str
    probe: Callable[[bytes], bool]
    read: Callable[[bytes], Any]
    seeds: Callable[[], tuple[bytes, ...]]
    words: tuple[bytes, ...] = ()
    max_size: int = 65_536


def _values(*names: str) -> Callable[[], tuple[bytes, ...]]:
    """The values of the header lines with these names."""
    return lambda: tuple(line.partition(b":")[2].strip() for line in seeds.header_lines(*names))


_AUTH_HEADERS = (
    "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate",
    "authentication-info",
)  # fmt: skip

_addresses = _values("from", "to", "contact", "route", "record-route", "f", "t", "m", "refer-to")

#: The parsers, by name.
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("message", _message, _read_message, seeds.messages, SIP_WORDS),
        Target("uri", _uri, _reads(URI.parse), seeds.uris, SIP_WORDS),
        Target("sdp", _sdp, _reads(SessionDescription.parse), seeds.sdps, SDP_WORDS),
        Target("stream", _stream, _read_stream, seeds.streams, SIP_WORDS),
        Target(
            "name-addr",
            _value_of(DNameURI),
            _reads(DNameURI.parse),
            _addresses,
            SIP_WORDS,
        ),
        Target("grammar", grammar.probe_message, _read_message, seeds.messages, SIP_WORDS),
        Target(
            "address",
            grammar.probe_address,
            grammar.read_address,
            lambda: (*_addresses(), *grammar.ODD),
            SIP_WORDS,
            4096,
        ),
        Target("via", _value_of(Via), _reads(Via.parse), _values("via", "v"), SIP_WORDS),
        Target("headers", _headers, _read_headers, seeds.header_lines, SIP_WORDS),
        Target("auth", _auth, _read_auth, _values(*_AUTH_HEADERS), AUTH_WORDS),
        Target("rtp", _rtp, _reads(RTPPacket.parse), seeds.rtps, RTP_WORDS, 4096),
        Target(
            "rtcp",
            _rtcp,
            _reads(lambda data: parse_rtcp(data, compound=False)),
            seeds.rtcps,
            RTP_WORDS,
            4096,
        ),
        Target(
            "srtp", security.packet, security.read_packet, security.packet_seeds, RTP_WORDS, 2048
        ),
        Target(
            "crypto",
            security.crypto,
            _reads(lambda data: CryptoAttribute.parse(data.decode("utf-8", "surrogateescape"))),
            security.crypto_seeds,
            security.CRYPTO_WORDS,
            4096,
        ),
        Target("xr", media.xr, media.read_xr, media.xrs, RTP_WORDS, 4096),
        Target("event", media.event, media.read_event, media.events, RTP_WORDS, 256),
        Target("multipart", bodies.probe, bodies.read, seeds.bodies, bodies.WORDS),
        Target("state", states.probe, states.read, states.seeds, states.WORDS, 16_384),
        Target("core", _core, _read_core, seeds.messages, SIP_WORDS),
    )
}

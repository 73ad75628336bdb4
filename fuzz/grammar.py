"""One grammar: what validation passes, every attribute of the message reads.

Laws, of any message and of whatever a core makes of it:

* Where `first_fault` finds nothing, every attribute of the message can be read, and every property
  of what it gives, down to the URI. So can those of the dialog that the message makes.
* Where the mapping raises, or a property of what it gives, `findings` lists the header.
* What the pattern of `sip.facts` reads, the general parsers read alike, and `first_fault` finds no
  fault with; where such a request came from is noted in its Via alike.
* `split_sip_uri` and `URI.parse` read the same texts, and alike.
* The patterns for names and addresses, tags and parameters as most are written read what the
  general parsers read.
* A line and a value are the same by the short form of reading, for those that are as most are, and
  by the general one.
* What a dialog sends on is right, whatever it was made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fuzz.laws import attempt, law
from sipparty.errors import ParseError
from sipparty.sip import URI, Core, DNameURI, Flow, Message, Request, SimpleCall, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.dialog.state import DialogState
from sipparty.sip.events import CallReceived, Event, RequestReceived
from sipparty.sip.facts import read_closely
from sipparty.sip.fields import HeaderField, parse_line
from sipparty.sip.grammar import (
    address_tag,
    find_parameter,
    split_address,
    split_parameters,
    unquote,
)
from sipparty.sip.headers import header_key
from sipparty.sip.transaction.vias import mark_source
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.validation import findings, first_fault
from sipparty.testing import SequentialTokens

__all__ = [
    "agree",
    "agree_address",
    "check",
    "probe_address",
    "probe_core",
    "probe_message",
    "read_address",
]

#: Addresses that validation passed once, and a property refused; and what is odd, and right.
ODD = tuple(
    text.encode("utf-8", "surrogateescape")
    for text in (
        "<sip:a%zz@x>;tag=1", "<sip:a@-x>;tag=1", "<sip:a@x?b>;tag=1", "<sip:a@1.2.3.999>;tag=1",
        "<sip:a\x1b[2J@x>;tag=1", "<sip:a\0@x>;tag=1", "<sip:a@10.23184>;tag=1", "nonsense", "*",
        "< sip:a@b >;tag=1", "<sip:a@b;x=1; y=2>;tag=1;", "sip:a@b;;tag=1",
        "<sip:a_b@c_d-e.f1>;tag=1",
        '"a <b> ;" <sip:a@[::1]:5060;lr>;tag="1"', "<tel:+1>;tag=1", "<sip:a@b?X=1&Y=2>;tag=1",
        "<sip:a;b?c@d.>;tag=1", "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
        "<sip:%41@b>;tag=1",
        "<SIPS:a:b@C.d:05061;METHOD=x;transport=tls>;tag=1", "<urn:service:sos>;tag=1", "<*>;tag=1",
    )
)  # fmt: skip
#: The attributes of a message that are headers.
ATTRIBUTES = tuple(name for name in dir(Message) if isinstance(getattr(Message, name), HeaderField))
#: Where an address stands.
_PLACES = ("From", "To", "Contact", "Record-Route", "Refer-To")
#: Those that every message must have.
MANDATORY = ("via", "from_", "to", "call_id", "cseq")


def _flow() -> Flow:
    """Return a new flow: it knows the transactions that depend on it."""
    return Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5060), "endpoint")


def _properties(kind: type) -> list[str]:
    names = [name for name in dir(kind) if not name.startswith("_")]
    return [name for name in names if isinstance(getattr(kind, name, None), property)]


def read_all(value: Any) -> None:
    """Read every property of a value, and those of a URI in it; raises what they raise."""
    str(value)
    repr(value)
    for name in _properties(type(value)):
        seen = getattr(value, name)
        if isinstance(seen, URI):
            for part in ("username", "password", "host", "address", "port"):
                getattr(seen, part)
            law(str(seen) == value.uri_text, "a URI is written as it was read")
            dict(seen.parameters)
            dict(seen.headers)
        elif hasattr(seen, "items"):
            dict(seen)


def _read_attribute(message: Message, name: str) -> None:
    value = getattr(message, name)
    if value is not None and not isinstance(value, str | int | tuple):
        read_all(value)


def check_facts(message: Message) -> bool:
    """Hold the pattern and the general parsers to reading the same; return whether it is plain."""
    facts = attempt(lambda: message.facts)
    if facts is None:
        law(attempt(read_closely, message) is None, "no Via by either form")
        return False
    closely = read_closely(message)
    if not isinstance(message, Request):
        # Of a response it does not matter.
        closely = closely._replace(rport=facts.rport, maddr=facts.maddr)
    law(closely._replace(plain=facts.plain) == facts, "both forms of reading find the same facts")
    if facts.plain and isinstance(message, Request):
        one, other = (Request.of("A", "sip:a", list(message._fields)) for _ in "12")
        flow = _flow()
        mark_source(one, facts, flow)
        mark_source(other, closely, flow)
        law(one.lines("Via") == other.lines("Via"), "both forms of marking a Via write the same")
    return facts.plain


def check_reading(data: bytes) -> None:
    """Hold the short forms of reading header lines and attributes to the general ones."""
    message, other = Message.parse(data), Message.parse(data)
    for key, value, line in message._fields:
        law(parse_line(line) == (key, value), "both forms of reading a line agree")
    index = {key: at for at, (key, _, _) in reversed([*enumerate(message._fields)])}
    law(message._index in (None, index), "both forms of finding a line agree")
    for name in ATTRIBUTES:
        header = name.strip("_").replace("_", "-")
        by_name = attempt(other.get, header)
        by_attribute = attempt(getattr, message, name)
        if by_name not in (None, "") and (by_attribute is not None or name in MANDATORY):
            law(by_attribute == by_name, f"{name} is what {header} is")


def check(message: Message) -> None:
    """Hold one message to the laws."""
    fault = first_fault(message)
    listed = {header_key(found.header) for found in findings(message)}
    if check_facts(message):
        law(fault is None, "what is plain is right")
    for name in ATTRIBUTES:
        try:
            _read_attribute(message, name)
        except ParseError:
            law(fault is not None, f"what validation passes, {name} reads")
            law(name in MANDATORY, f"{name} is not mandatory, and None where it is malformed")
            law(header_key(name.strip("_").replace("_", "-")) in listed, f"{name} is listed")
    for name in message:
        try:
            for value in message.all(name):
                if type(value) not in (str, int):
                    read_all(value)
        except ParseError:
            law(header_key(name) in listed, f"what is wrong with {name} is listed")
    if isinstance(message, Request) and fault is None:
        read_all_of_body(message)
        _ = message.uri
        attempt(_check_dialog, message)


def read_all_of_body(message: Message) -> None:
    """Read what a message says of its body, and the parts of it."""
    for name in ("media_type", "is_multipart", "disposition", "handling", "content_id", "parts"):
        getattr(message, name)
    _ = message.content


def _check_dialog(request: Request) -> None:
    if request.method != "INVITE":
        return
    state = DialogState.of_request(request, "ours", 1)
    state.next_hop()
    try:
        for text in (state.remote, state.local, *state.route_set):
            read_all(DNameURI.parse(text))
        bye = Message.parse(bytes(state.request("BYE", [])))
        bye["Via"] = "SIP/2.0/UDP h;branch=z9hG4bK1"
    except ParseError as error:
        law(False, f"what makes a dialog reads in it: {error}")
    law(first_fault(bye) is None, "what a dialog sends is right")
    wrong = {"From", "To", "Route", "Request-URI"} & {found.header for found in findings(bye)}
    law(wrong <= ({"From"} if not state.local_tag else set()), "what is sent on is tidy")


def agree(text: str) -> bool:
    """Hold the two forms of reading a URI to each other; whether it was read."""
    uri, parts = attempt(URI.parse, text), attempt(split_sip_uri, text)
    law((uri is None) == (parts is None), "both forms of reading a URI take the same")
    if uri is None or parts is None:
        return False
    law(parts.scheme == uri.scheme, "the same scheme")
    if uri.absoluteURIPart is not None:
        law(parts.host == "", "a URI of another scheme has no host")
        return True
    user = uri.username if uri.password is None else f"{uri.username}:{uri.password}"
    law((parts.user, parts.port) == (user, uri.port), "the same user and port")
    law(parts.host == uri.address.lower(), "the same host")
    law(parts.parameters == str(uri.parameters), "the same parameters")
    law(parts.headers == str(uri.headers)[1:], "the same headers")
    value = DNameURI.parse(f"<{text}>")
    law((value.username, value.address) == (parts.user, parts.host), "and so for an address")
    return True


def agree_address(text: str) -> bool:
    """Hold the forms of reading a name and address to each other; whether it was read."""
    value, parts = attempt(DNameURI.parse, text), attempt(split_address, text, DNameURI.WHAT)
    if value is None or parts is None:
        law(value is None, "the pattern takes what the parser takes")
        law(parts is not None or attempt(address_tag, text) is None, "no tag without an address")
        return False
    read = (value._display, value._uri_text, value._tail)
    law(read == parts, "the same name, address and parameters")
    first: dict[str, str] = {}
    for name, quoted in split_parameters(parts[2]):
        first.setdefault(name.lower(), quoted or "")
    law(address_tag(text) == value.tag, "the same tag")
    for name in (*first, "tag"):
        law(find_parameter(parts[2], name) == first.get(name), "the same parameter")
    for name, quoted in first.items():
        law(value.parameter(name) == unquote(quoted), "the same without quotes")
    law(
        {name: value.parameters[name] or "" for name in map(str.lower, value.parameters)}
        == {name: unquote(quoted) for name, quoted in first.items() if name},
        "and as a mapping",
    )
    return True


def probe_message(data: bytes) -> bool:
    """A message, by itself and in a core."""
    message = attempt(Message.parse, data)
    if message is None:
        return False
    check(message)
    check_reading(data)
    probe_core(data)
    return True


def _invite(header: str, value: bytes) -> bytes:
    lines = {
        b"Via": b"SIP/2.0/UDP h;branch=z9hG4bK1",
        b"From": b"<sip:a@a.com>;tag=1",
        b"To": b"<sip:bob@biloxi.com>",
        b"Call-ID": b"1",
        b"CSeq": b"1 INVITE",
        b"Contact": b"<sip:a@h>",
    }
    lines[header.encode()] = value
    head = b"".join(b"%b: %b\r\n" % pair for pair in lines.items())
    return b"INVITE sip:bob@biloxi.com SIP/2.0\r\n" + head + b"\r\n"


def read_address(data: bytes) -> bool:
    """Read a name and address, as a program does."""
    value = attempt(DNameURI.parse, data)
    return value is not None and attempt(lambda: value.uri) is not None


def probe_address(data: bytes) -> bool:
    """A name and address, in each header that holds one."""
    text = data.decode("utf-8", "surrogateescape")
    start = text.find("<")
    agree(text[start + 1 : text.find(">", start)] if start >= 0 else text)
    agree_address(text)
    header = _PLACES[sum(data) % len(_PLACES)]
    probe_message(_invite(header, data))
    return read_address(data)


def probe_core(data: bytes) -> None:
    """A core with a party takes a datagram; whoever hears of it reads all there is to read."""
    core = Core(SequentialTokens("a"))
    agent = UserAgent(core, "sip:bob@biloxi.com")
    agent.auto_answer = False
    for method in ("MESSAGE", "SUBSCRIBE", "REFER", "REGISTER", "PUBLISH"):
        agent.handle_method(method)
    core.directory.bind(agent, "endpoint")
    core.receive(data, _flow(), 1.0)
    for event in _events(core):
        if isinstance(event, CallReceived):
            _read_call(event)
        elif isinstance(event, RequestReceived):
            _read_request(event.request)
            event.incoming.respond(200)
    for written, _ in core.transmits():
        Message.parse(written)


def _events(core: Core) -> Iterator[Event]:
    for _ in range(8):
        events = core.events()
        if not events:
            return
        for event in events:
            if isinstance(event, FlowWanted):
                core.flow_failed(event, "no route there", 1.0)
            else:
                yield event


def _read_request(request: Request) -> None:
    """What nothing of may raise: its sender gets a 400 before a handler is asked."""
    for name in ATTRIBUTES:
        _read_attribute(request, name)
    _ = request.uri
    read_all_of_body(request)


def _read_call(event: CallReceived) -> None:
    _read_request(event.request)
    call: SimpleCall = event.call
    for address in (call.remote, call.local):
        read_all(address)
    URI.parse(call.remote_target)
    call.ring()
    call.accept()
    call.terminate()

"""Text that would write a header of its own: whoever fills a name, a number or a note from a form
into a call must not be able to send headers, a body or a second message with it (RFC 3261 §7.3.1,
§25.1). Every argument that becomes text of a message refuses control characters, at the call that
gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.errors import ParseError, UsageError
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import (
    AOR,
    URI,
    Core,
    CSeq,
    DNameURI,
    Host,
    MediaType,
    Message,
    Multipart,
    NextHop,
    Part,
    Request,
    Response,
    SimpleCall,
    UserAgent,
    Via,
)
from sipparty.sip.auth import Account, DigestServer
from sipparty.sip.grammar import quote
from sipparty.sip.headers import register_header
from sipparty.sip.headervalue import HeaderParameters
from sipparty.sip.message import Message as AnyMessage
from sipparty.sip.routing import route_to
from sipparty.sip.typed import TokenValue, WarningValue, WordValue
from sipparty.testing import SequentialTokens

#: What ends a line, what ends a text, and what speaks to a terminal.
BREAKS = ["\r\nX-Mine: 1\r\n\r\n", "\r", "\n", "\0", "\x1b[2J", "\x0b", "\x7f"]

INVITE = (
    b"INVITE sip:b@b.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n"
    b"To: <sip:b@b.com>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>\r\n\r\n"
)


def agent() -> UserAgent:
    return UserAgent(Core(SequentialTokens("a")), "sip:a@a.com")


def party(**settings: Any) -> NoMediaSimpleCallsParty:
    return NoMediaSimpleCallsParty("a@a.com", **settings)


def message() -> AnyMessage:
    return Message.parse(INVITE)


def give(owner: Any, name: str) -> Callable[[str], None]:
    return lambda text: setattr(owner, name, text)


def put(owner: Any, key: str) -> Callable[[str], None]:
    return lambda text: owner.__setitem__(key, text)


#: Each argument, and a call that gives it.
MESSAGES: dict[str, Callable[[str], Any]] = {
    "Request(method)": lambda text: Request(f"A{text}B", "sip:a@b"),
    "Request(uri)": lambda text: Request("OPTIONS", f"sip:a{text}@b"),
    "Request(uri, parameter)": lambda text: Request("OPTIONS", f"sip:a@b;x={text}y"),
    "Request(header name)": lambda text: Request("OPTIONS", "sip:a@b", {f"X{text}Y": "z"}),
    "Request(header)": lambda text: Request("OPTIONS", "sip:a@b", {"X-Any": f"y{text}z"}),
    "Request(headers)": lambda text: Request("OPTIONS", "sip:a@b", {"X-Any": ["y", f"y{text}z"]}),
    "Request(Call-ID)": lambda text: Request("OPTIONS", "sip:a@b", {"Call-ID": f"y{text}z"}),
    "Request(Subject)": lambda text: Request("OPTIONS", "sip:a@b", [("Subject", f"y{text}z")]),
    "Request(From)": lambda text: Request("OPTIONS", "sip:a@b", {"From": f'"x{text}y" <sip:a>'}),
    "Request(CSeq)": lambda text: Request("OPTIONS", "sip:a@b", {"CSeq": CSeq(1, f"A{text}B")}),
    "Response(reason)": lambda text: Response(200, f"O{text}K"),
    "Response(header)": lambda text: Response(200, "OK", {"Server": f"y{text}z"}),
    "message.method": lambda text: give(message(), "method")(f"A{text}B"),
    "message.uri": lambda text: give(message(), "uri")(f"sip:a{text}@b"),
    "message.subject": lambda text: give(message(), "subject")(f"a{text}b"),
    "message.call_id": lambda text: give(message(), "call_id")(f"a{text}b"),
    "message.contact": lambda text: give(message(), "contact")(f"<sip:a{text}@b>"),
    "message.reason": lambda text: give(Response(200), "reason")(f"O{text}K"),
    "message[]": lambda text: put(message(), "X-Any")(f"a{text}b"),
    "message[name]": lambda text: put(message(), f"X{text}Y")("a"),
    "message[] of bytes": lambda text: message().add("X-Any", f"a{text}b".encode()),
    "message.add": lambda text: message().add("X-Any", f"a{text}b"),
    "message.add(name)": lambda text: message().add(f"X{text}Y", "a"),
    "response(reason)": lambda text: message().response(200, f"O{text}K"),
    "response(headers)": lambda text: message().response(200, None, {"X-Any": f"O{text}K"}),
    "response(to_tag)": lambda text: message().response(200, to_tag=f"a{text}b"),
    "DNameURI(uri)": lambda text: DNameURI(f"sip:a{text}@b"),
    "DNameURI(display_name)": lambda text: DNameURI("sip:a@b", f"a{text}b"),
    "DNameURI(parameters)": lambda text: DNameURI("sip:a@b", parameters=f"x=a{text}b"),
    "DNameURI(parameters, a mapping)": lambda text: DNameURI("sip:a@b", parameters={"x": text}),
    "DNameURI(tag)": lambda text: DNameURI("sip:a@b", tag=f"a{text}b"),
    "DNameURI.display_name": lambda text: give(message().to, "display_name")(f"a{text}b"),
    "DNameURI.tag": lambda text: give(message().to, "tag")(f"a{text}b"),
    "DNameURI.uri": lambda text: give(message().to, "uri")(f"sip:a{text}@b"),
    "DNameURI.uri.username": lambda text: give(message().to.uri, "username")(f"a{text}b"),
    "DNameURI.uri.parameters": lambda text: put(message().to.uri.parameters, "x")(f"a{text}b"),
    "DNameURI.uri.headers": lambda text: put(message().to.uri.headers, "x")(f"a{text}b"),
    "DNameURI.parameters": lambda text: put(message().to.parameters, "x")(f"a{text}b"),
    "DNameURI.parameters, a name": lambda text: put(message().to.parameters, f"a{text}b")("x"),
    "Via(transport)": lambda text: Via(f"U{text}P", "h"),
    "Via(host)": lambda text: Via("UDP", f"h{text}h"),
    "Via(branch)": lambda text: Via("UDP", "h", branch=f"h{text}h"),
    "Via.received": lambda text: give(message().via, "received")(f"1{text}1"),
    "Via.rport": lambda text: give(message().via, "rport")(f"1{text}1"),
    "MediaType(type)": lambda text: MediaType(f"a{text}b", "c"),
    "MediaType(parameters)": lambda text: MediaType("a", "b", {"x": f"a{text}b"}),
    "HeaderParameters.parse": lambda text: HeaderParameters.parse(f";x=a{text}b"),
    "TokenValue.of": lambda text: TokenValue.of(f"a{text}b"),
    "WordValue.of(parameters)": lambda text: WordValue.of("a", {"x": f"a{text}b"}),
    "WarningValue.of(agent)": lambda text: WarningValue.of(399, f"a{text}b", "x"),
    "WarningValue.of(text)": lambda text: WarningValue.of(399, "a", f"a{text}b"),
    "Part(content_type)": lambda text: Part(f"text/plain;x=a{text}b"),
    "Part(headers)": lambda text: Part("text/plain", b"", {"Content-ID": f"<a{text}b>"}),
    "Multipart(subtype)": lambda text: Multipart([Part("text/plain")], f"m{text}d"),
    "Multipart(boundary)": lambda text: Multipart(
        [Part("a/b")], "mixed", {"boundary": f"a{text}b"}
    ),
    "URI.parse": lambda text: URI.parse(f"sip:a{text}@b"),
    "URI.from_user_text": lambda text: URI.from_user_text(f"a{text}a@b"),
    "URI(aor)": lambda text: URI(aor=f"a{text}@b"),
    "URI(scheme)": lambda text: URI(aor="a@b", scheme=f"si{text}p"),
    "URI(absoluteURIPart)": lambda text: URI(scheme="tel", absoluteURIPart=f"1{text}1"),
    "URI(parameters)": lambda text: URI(aor="a@b", parameters=f";x=a{text}b"),
    "URI(headers)": lambda text: URI(aor="a@b", headers={"x": f"a{text}b"}),
    "AOR(username)": lambda text: AOR(f"a{text}b", "h"),
    "AOR(password)": lambda text: AOR("a", "h", password=f"a{text}b"),
    "Host(address)": lambda text: Host(f"a{text}b"),
    "quote": lambda text: quote(f"a{text}b"),
    "route_to": lambda text: route_to(f"a{text}b"),
    "route_to, parameters": lambda text: route_to(f"sip:a;x=a{text}b"),
    "NextHop.of": lambda text: NextHop.of(f"sip:a{text}b"),
    "register_header(name)": lambda text: register_header(f"X{text}Y"),
    "UserAgent(uri)": lambda text: UserAgent(Core(SequentialTokens("a")), f"sip:a{text}@b"),
    "UserAgent(display_name)": lambda text: UserAgent(
        Core(SequentialTokens("a")), "sip:a@b", display_name=f'"a{text}b"'
    ),
    "UserAgent.handle_method": lambda text: agent().handle_method(f"A{text}B"),
    "SimpleCall.invite(uri)": lambda text: SimpleCall(agent()).invite(f"sip:a{text}@b"),
    "SimpleCall.invite(uri), by a route": lambda text: SimpleCall(agent()).invite(
        f"sip:a{text}@b", routes=("<sip:p;lr>",)
    ),
    "SimpleCall.invite(uri), elsewhere": lambda text: SimpleCall(agent()).invite(
        f"sip:a{text}@b", next_hop=NextHop("h")
    ),
    "SimpleCall.invite(routes)": lambda text: SimpleCall(agent()).invite(
        "sip:a@b", routes=("<sip:p;lr>", f"<sip:p;lr>;x=a{text}b")
    ),
    "SimpleCall.invite(headers)": lambda text: SimpleCall(agent()).invite(
        "sip:a@b", headers=[("X-Any", f"a{text}b")]
    ),
    "DigestServer(realm)": lambda text: DigestServer(
        f"a{text}b", lambda *_: "x", secret=b"1" * 32, tokens=lambda: "x"
    ),
    "Account(username)": lambda text: Account(f"a{text}b", "secret"),
}


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
@pytest.mark.parametrize("argument", MESSAGES)
def test_no_argument_takes_a_control_character(argument: str, bad: str) -> None:
    with pytest.raises((UsageError, ParseError)) as refusal:
        MESSAGES[argument](bad)
    assert str(refusal.value).isprintable()


#: The same of a party: what is given to it is refused there, and not when it is sent.
PARTIES: dict[str, Callable[[str], Any]] = {
    "Party(uri)": lambda text: NoMediaSimpleCallsParty(f"a{text}a@b"),
    "Party(display_name)": lambda text: party(display_name=f"a{text}b"),
    "Party(proxy)": lambda text: party(proxy=f"a{text}b"),
    "Party(credentials)": lambda text: party(credentials=(f"a{text}b", "secret")),
    "party.display_name": lambda text: give(party(), "display_name")(f"a{text}b"),
    "party.proxy": lambda text: give(party(), "proxy")(f"sip:a;x={text}b"),
    "invite(target)": lambda text: party().invite(f"a{text}a@b"),
    "invite(proxy)": lambda text: party().invite("a@b", proxy=f"a{text}b"),
    "invite(headers)": lambda text: party().invite("a@b", headers={"X-Any": f"a{text}b"}),
    "invite(headers, a name)": lambda text: party().invite("a@b", headers={f"X{text}": "b"}),
    "options(target)": lambda text: party().options(f"a{text}a@b"),
    "send(proxy)": lambda text: party().send(Request("OPTIONS", "sip:a@b"), proxy=f"a{text}b"),
    "keep_alive(target)": lambda text: party().keep_alive(f"a{text}b"),
    "listen(advertise)": lambda text: party().listen(None, advertise=f"a{text}b"),
    "local_address": lambda text: party(local_address=f"127.0.0.1{text}"),
    "configure(accepts)": lambda text: party().configure(accepts=[f"a{text}b/c"]),
}


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
@pytest.mark.parametrize("argument", PARTIES)
def test_no_argument_of_a_party_takes_a_control_character(argument: str, bad: str) -> None:
    with pytest.raises((UsageError, ParseError)) as refusal:
        PARTIES[argument](bad)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("bad", BREAKS, ids=ascii)
def test_no_answer_takes_a_control_character(bad: str) -> None:
    from sipparty.sip import Flow
    from sipparty.sip.events import CallReceived

    core = Core(SequentialTokens("a"))
    callee = UserAgent(core, "sip:b@b.com")
    callee.auto_answer = False
    core.directory.bind(callee, "endpoint")
    core.receive(INVITE, Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5060), "endpoint"), 1.0)
    (call,) = [event.call for event in core.events() if isinstance(event, CallReceived)]
    core.transmits()
    for answer in (
        lambda: call.ring(180, f"R{bad}"),
        lambda: call.reject(486, f"B{bad}"),
        lambda: call.reject(302, None, [("Contact", f"<sip:a{bad}@b>")]),
        lambda: call.reject(486, None, [("X-Any", f"a{bad}b")]),
    ):
        with pytest.raises((UsageError, ParseError)):
            answer()
    call.accept()
    answers = [data for data, _ in core.transmits()]
    assert answers
    assert not any(b"X-Mine" in data for data in answers)
    for send in (
        lambda: call.send(f"A{bad}B"),
        lambda: call.send("INFO", {"X-Any": f"a{bad}b"}),
        lambda: call.send("INFO", {f"X{bad}": "b"}),
    ):
        with pytest.raises((UsageError, ParseError)):
            send()

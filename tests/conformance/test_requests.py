"""Requests outside of dialogs: who they are for, and what is asked that nobody does
(RFC 3261 §8.2 and §21).
"""

from __future__ import annotations

from .message import Message, uri_of
from .probe import Probe, Scene, cases, run
from .stage import Stage
from .steps import Ack, Again, Expect, Keep, Later, Quiet, Raw, Send, Within

#: Methods that the RFCs define, and that a party does outside of dialogs only if it is told to.
OTHERS = (
    ("RFC 3428 §4", "MESSAGE", {"Content-Type": "text/plain"}),
    ("RFC 6665 §4.1.3", "SUBSCRIBE", {"Event": "presence", "Expires": "60"}),
    ("RFC 3903 §6", "PUBLISH", {"Event": "presence", "Expires": "60"}),
    ("RFC 3261 §10.3", "REGISTER", {"Expires": "60"}),
    ("RFC 6086 §4.2.2", "INFO", {"Info-Package": "dtmf"}),
)


def _lists_all(scene: Scene, message: Message) -> str:
    said = {one.lower() for one in message.elements("unsupported")}
    return "" if said == {"foo", "bar", "singing"} else f"Unsupported is {said}"


METHODS = (
    Probe("RFC 3261 §8.2.1", "a method nobody knows", Send("FROBNICATE"), Expect(501)),
    Probe("RFC 3261 §7.1", "a method is told by case", Send("options"), Expect(501)),
    *(
        Probe(clause, f"{method} is refused", Send(method, headers), Expect(405, {"Allow": "BYE"}))
        for clause, method, headers in OTHERS
    ),
    Probe(
        "RFC 3262 §3",
        "PRACK for no provisional response is refused",
        Send("PRACK", {"RAck": "1 1 INVITE"}),
        Expect(481),
    ),
    Probe("RFC 3261 §12.2.2", "UPDATE for no call is refused", Send("UPDATE"), Expect(481)),
    Probe(
        "RFC 6665 §4.1.3",
        "NOTIFY of no subscription",
        Send("NOTIFY", {"Event": "presence", "Subscription-State": "active"}),
        Expect(481),
    ),
    Probe(
        "RFC 3515 §2.4.2",
        "REFER without approval",
        Send("REFER", {"Refer-To": "<sip:carol@chicago.com>"}),
        Expect(603),
    ),
    Probe("RFC 3515 §2.4.2", "REFER to nobody", Send("REFER"), Expect(400)),
    Probe(
        "RFC 3261 §11.2",
        "OPTIONS say what there is",
        Send("OPTIONS", {"Accept": "application/sdp"}),
        Expect(
            200,
            {
                "Allow": r"\bINVITE\b.*\bOPTIONS\b",
                "Accept": "application/sdp",
                "Accept-Encoding": "",
                "Accept-Language": "",
                "Supported": "",
            },
        ),
    ),
    Probe(
        "RFC 3261 §20.5",
        "Allow names ACK, BYE, CANCEL",
        Send("OPTIONS"),
        Expect(
            200,
            {
                "Allow": r"(?=.*\bACK\b)(?=.*\bBYE\b)(?=.*\bCANCEL\b)",
            },
        ),
    ),
    Probe("RFC 3261 §15.1.2", "a BYE of no dialog", Send("BYE"), Expect(481)),
    Probe("RFC 3261 §9.2", "a CANCEL of nothing", Send("CANCEL"), Expect(481)),
    *(
        Probe(
            "RFC 3261 §12.2.2",
            f"{method} with a To tag that nobody gave",
            Send(method, {"To": "<sip:bob@biloxi.com>;tag=nobodys"}),
            Expect(481, {"To": "tag=nobodys$"}),
        )
        for method in ("BYE", "OPTIONS", "INFO", "UPDATE", "NOTIFY")
    ),
    Probe(
        "RFC 3261 §12.2.2",
        "INVITE with a To tag that nobody gave",
        Send("INVITE", {"To": "<sip:bob@biloxi.com>;tag=nobodys"}),
        Expect(481, {"To": "tag=nobodys$"}),
        Ack(),
    ),
    Probe("RFC 3261 §17.2", "an ACK of nothing has no answer", Send("ACK"), Quiet()),
    Probe(
        "RFC 3261 §8.1.3.3",
        "a response to nothing has no answer",
        Raw(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/{WAY} {place};branch=z9hG4bKnothing\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: nothing\r\n"
            "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        ),
        Quiet(),
    ),
    Probe(
        "RFC 3261 §13.3.1.4",
        "a 2xx says what there is",
        Send("INVITE"),
        Expect(200, {"Allow": "BYE", "Supported": ""}),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "OPTIONS without a user are for who is here",
        Send("OPTIONS", uri="sip:{party}"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "an INVITE without a user is for who is here",
        Send("INVITE", uri="sip:{party}"),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
)

TARGETS = (
    *(
        Probe(
            "RFC 3261 §8.2.2.1",
            f"a Request-URI of the scheme {uri.partition(':')[0]}",
            Send("OPTIONS", uri=uri),
            Expect(416),
        )
        for uri in ("tel:+15551212", "nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://b")
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "an INVITE to a tel URI",
        Send("INVITE", uri="tel:1"),
        Expect(416),
        Ack(),
    ),
    Probe(
        "RFC 3261 §21.4.5",
        "a user who is not here",
        Send("OPTIONS", uri="sip:x@biloxi.com"),
        Expect(404),
    ),
    Probe(
        "RFC 3261 §21.4.5",
        "a call for a user who is not here",
        Send("INVITE", uri="sip:x@biloxi.com"),
        Expect(404),
        Ack(),
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "the address of record is us",
        Send("OPTIONS", uri="sip:bob@biloxi.com"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "the Contact is us",
        Send("OPTIONS"),
        Expect(200),
        Keep("contact", lambda one: uri_of(one.get("contact"))),
        Send("OPTIONS", uri="{kept.contact}"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.2.1",
        "To may name somebody else",
        Send("OPTIONS", {"To": "<sip:carol@chicago.com>"}),
        Expect(200),
    ),
    Probe(
        "RFC 4475 §3.3.4",
        "To and From of another scheme",
        Send("OPTIONS", {"To": "isbn:2983792873", "From": "<http://www.example.com>;tag=3234233"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §19.1.4",
        "escaped letters are letters",
        Send("OPTIONS", uri="sip:%62ob@biloxi.com"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §19.1.4",
        "hosts are told without case",
        Send("OPTIONS", uri="sip:bob@BiLoxi.COM"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §19.1.4",
        "users are told by case",
        Send("OPTIONS", uri="sip:Bob@biloxi.com"),
        Expect(404),
    ),
    Probe(
        "RFC 3261 §7.1",
        "schemes are told without case",
        Send("OPTIONS", uri="SIP:bob@biloxi.com"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §19.1.1",
        "URI parameters nobody knows are ignored",
        Send("OPTIONS", uri="sip:bob@biloxi.com;foo=bar;lr;x"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §19.1.1",
        "headers do not stand in a Request-URI",
        Send("OPTIONS", uri="sip:bob@biloxi.com?Subject=x"),
        Expect(400),
    ),
    Probe(
        "RFC 3261 §19.1.1",
        "a password is no part of who it is",
        Send("OPTIONS", uri="sip:bob:secret@biloxi.com"),
        Expect((200, 404)),
    ),
    Probe(
        "RFC 4475 §3.1.2.7",
        "brackets around a Request-URI",
        Send("OPTIONS", uri="<sip:bob@biloxi.com>"),
        Expect(400),
    ),
    Probe(
        "RFC 4475 §3.1.2.8",
        "white space inside a Request-URI",
        Send("OPTIONS", uri="sip:bob@biloxi.com; lr"),
        Expect(400),
    ),
    Probe(
        "RFC 3261 §21.5.7",
        "another version of SIP",
        Send("OPTIONS", edit=((" SIP/2.0\r\nVia", " SIP/7.0\r\nVia"),)),
        Expect(505),
    ),
    Probe(
        "RFC 3261 §21.5.7",
        "an INVITE of another version",
        Send("INVITE", edit=((" SIP/2.0\r\nVia", " SIP/3.0\r\nVia"),)),
        Expect(505),
        Ack(),
    ),
    Probe(
        "RFC 3261 §7.1",
        "the version is told without case",
        Send("OPTIONS", edit=((" SIP/2.0\r\nVia", " sip/2.0\r\nVia"),)),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.22",
        "Max-Forwards 0 is for those who forward",
        Send("OPTIONS", {"Max-Forwards": "0"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §16.3",
        "no Max-Forwards is none the worse",
        Send("OPTIONS", {"Max-Forwards": None}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.22",
        "Max-Forwards is a number",
        Send("OPTIONS", {"Max-Forwards": "many"}),
        Expect(400),
    ),
)

EXTENSIONS = (
    Probe(
        "RFC 3261 §8.2.2.3",
        "an extension nobody knows",
        Send("OPTIONS", {"Require": "foo"}),
        Expect(420, {"Unsupported": "^foo$"}),
    ),
    Probe(
        "RFC 3261 §8.2.2.3",
        "extensions nobody knows are all named",
        Send("INVITE", {"Require": ("foo, bar", "singing")}),
        Expect(420, check=_lists_all),
        Ack(),
    ),
    Probe(
        "RFC 3261 §8.2.2.3",
        "Require of a CANCEL is ignored",
        Send("CANCEL", {"Require": "foo"}),
        Expect(481),
    ),
    Probe(
        "RFC 3261 §20.29",
        "Proxy-Require is for proxies",
        Send("OPTIONS", {"Proxy-Require": "foo"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.4",
        "what is Supported changes nothing",
        Send("OPTIONS", {"Supported": "foo, 100rel, timer"}),
        Expect(200, {"Require": None}),
    ),
    Probe(
        "RFC 3261 §8.2.4",
        "an answer to who supports nothing requires nothing",
        Send("INVITE"),
        Expect(200, {"Require": None}),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.3",
        "a body that nobody can read",
        Send("INVITE", {"Content-Type": "text/x-rare"}, "x"),
        Expect(415, {"Accept": r"\bapplication/sdp\b"}),
        Ack(),
    ),
    Probe(
        "RFC 3261 §8.2.3",
        "a body in an encoding that nobody can undo",
        Send("INVITE", {"Content-Encoding": "gzip"}, "x"),
        Expect(415, {"Accept-Encoding": ""}),
        Ack(),
    ),
    Probe(
        "RFC 3261 §20.11",
        "a body that may be left unread",
        Send(
            "INVITE",
            {"Content-Type": "text/x-rare", "Content-Disposition": "session;handling=optional"},
            "x",
        ),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.11",
        "a body that must be read",
        Send(
            "INVITE",
            {"Content-Type": "text/x-rare", "Content-Disposition": "session;handling=required"},
            "x",
        ),
        Expect(415),
        Ack(),
    ),
    Probe(
        "RFC 3261 §21.4.7",
        "a call that takes no session description",
        Send("INVITE", {"Accept": "text/html"}),
        Expect(406),
        Ack(),
    ),
    Probe(
        "RFC 3261 §20.1",
        "a call that takes anything",
        Send("INVITE", {"Accept": "text/html, */*;q=0.1"}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.2.2",
        "a request that came by another path",
        Send("OPTIONS"),
        Expect(200),
        Again("OPTIONS", ((";branch=z", ";branch=z9hG4bKx"),)),
        Expect(482),
        by="udp",
    ),
    Probe(
        "RFC 3261 §8.2.2.2",
        "a call that came by another path",
        Send("INVITE"),
        Expect(200),
        Again("INVITE", ((";branch=z", ";branch=z9hG4bKx"),)),
        Expect(482),
    ),
    Probe(
        "RFC 3261 §8.2.2.2",
        "another CSeq is another request",
        Send("OPTIONS"),
        Expect(200),
        Send("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §17.2.3",
        "the same branch of another sent-by is no copy",
        Send("OPTIONS"),
        Expect(200),
        Again("OPTIONS", (("{place};", "127.0.0.1:9;"),)),
        Expect(482),
        by="udp",
    ),
    Probe(
        "RFC 3261 §8.1.1.3",
        "From without a tag, as RFC 2543 had it",
        Send("OPTIONS", {"From": "<sip:peer@example.com>"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §12.1.1",
        "a call from who gives no tag",
        Send("INVITE", {"From": "<sip:peer@example.com>"}),
        Expect(200),
        Ack({"From": "<sip:peer@example.com>"}),
        Within("BYE", {"From": "<sip:peer@example.com>"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.6.1",
        "100 after 200 ms, with the Timestamp",
        Send("INVITE", {"Timestamp": "54.21"}),
        Later(0.1),
        Quiet(),
        Later(0.2),
        Expect(100, {"Timestamp": r"^54\.21( [0-9.]+)?$"}),
        party="manual",
    ),
    Probe(
        "RFC 3261 §17.2.1",
        "100 is sent again to who asks again",
        Send("INVITE"),
        Later(0.3),
        Expect(100),
        Again("INVITE"),
        Expect(100),
        party="manual",
    ),
    Probe(
        "RFC 3261 §8.2.6.1",
        "no 100 but for an INVITE",
        Send("OPTIONS"),
        Expect(200),
        Later(5),
        Quiet(),
    ),
    Probe(
        "RFC 3261 §8.2",
        "an Expires that is a date is ignored",
        Send("INVITE", {"Expires": "Thu, 01 Dec 2044 16:00:00 GMT"}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2",
        "an Expires beyond all numbers",
        Send("INVITE", {"Expires": "1" + "0" * 30}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 5630 §3.3",
        "sips with a Contact of sip",
        Send("INVITE", {"To": "<sips:bob@biloxi.com>"}, uri="sips:bob@biloxi.com"),
        Expect((400, 403, 480)),
        Ack(),
    ),
    Probe(
        "RFC 3261 §8.2",
        "an Expires that is none is ignored",
        Send("INVITE", {"Expires": "soon"}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2",
        "an Accept that is none is ignored",
        Send("INVITE", {"Accept": ";;"}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
)


@cases(METHODS, TARGETS, EXTENSIONS)
def test_requests(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)

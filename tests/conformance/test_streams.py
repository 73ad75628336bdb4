"""Connections: where messages end in a stream, what is no message, and what becomes of a
connection that ends (RFC 3261 §7.5, §18.2.2, §18.3, §18.4; RFC 5626 §4.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from .probe import Probe, Scene, Step, cases, run
from .stage import Stage
from .steps import (
    Ack,
    Again,
    Cancel,
    Closed,
    Expect,
    HangUp,
    Later,
    Pieces,
    Quiet,
    Raw,
    Repeats,
    Reply,
    Send,
    Within,
)
from .user import Dial, Does, Stands

END = (Within("BYE"), Expect(200))
UP = (Send("INVITE"), Expect(200), Ack())
LENGTH = "Content-Length"


@dataclass(frozen=True)
class Bytes(Step):
    """What comes next is no message, but these bytes."""

    data: bytes

    def play(self, scene: Scene) -> None:
        """Read them."""
        got = scene.peer.raw(len(self.data))
        assert got == self.data, f"{got!r} came"


@dataclass(frozen=True)
class Connect(Step):
    """Another connection, which is spoken by from now on."""

    def play(self, scene: Scene) -> None:
        """Make it."""
        scene.peer.dial()
        scene.stage.clock.advance()


@dataclass(frozen=True)
class Connections(Step):
    """The party has made so many connections to us."""

    number: int

    def play(self, scene: Scene) -> None:
        """Count them."""
        assert scene.peer.accepted == self.number, f"it made {scene.peer.accepted}"


THREE = (Send("OPTIONS"), Send("OPTIONS"), Send("OPTIONS"))

FRAMING = (
    Probe(
        "RFC 3261 §18.3",
        "three messages in one segment",
        Pieces(THREE),
        Expect(200),
        Expect(200),
        Expect(200),
        Quiet(),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a message in segments of a byte",
        Pieces((Send("OPTIONS"),), 1),
        Expect(200),
        Quiet(),
    ),
    *(
        Probe(
            "RFC 3261 §18.3",
            f"three messages in segments of {size} bytes",
            Pieces(THREE, size),
            Expect(200),
            Expect(200),
            Expect(200),
            Quiet(),
        )
        for size in (7, 100, 333)
    ),
    Probe(
        "RFC 3261 §18.3",
        "a body in a segment of its own",
        Pieces((Send("OPTIONS", {"Content-Type": "text/plain"}, "x" * 400),), 200),
        Expect(200),
        Quiet(),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a body that looks like a message",
        Send(
            "OPTIONS",
            {"Content-Type": "message/sip"},
            "OPTIONS sip:bob@biloxi.com SIP/2.0\r\nContent-Length: 0\r\n\r\n",
        ),
        Expect(200),
        Quiet(),
        Send("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a large body",
        Send("OPTIONS", {"Content-Type": "text/plain"}, "x" * 200_000),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §7.3.3",
        "a length in compact form",
        Send("OPTIONS", {LENGTH: None, "l": "3", "Content-Type": "text/plain"}, "xyz"),
        Expect(200),
        Send("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §7.3.1",
        "a length in odd case, folded",
        Send(
            "OPTIONS",
            {LENGTH: None, "cONTENT-lENGTH \t": "\r\n  3", "Content-Type": "text/plain"},
            "xyz",
        ),
        Expect(200),
        Send("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §7.5",
        "empty lines before a message",
        Pieces((Send("OPTIONS"), Send("OPTIONS")), before="\r\n"),
        Expect(200),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a message without a length",
        Send("OPTIONS", {LENGTH: None}),
        Expect((200, 400)),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a message that is shorter than its length waits for the rest",
        Send("OPTIONS", {LENGTH: "5"}),
        Quiet(),
        Raw("12345"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §18.3",
        "and is given up, with the connection",
        Send("OPTIONS", {LENGTH: "50"}),
        Quiet(),
        Later(120),
        Closed(),
    ),
    Probe(
        "RFC 3261 §18.3",
        "a message that is longer than its length",
        Send("OPTIONS", {LENGTH: "2"}, "xyzzy plugh\r\n\r\n"),
        Expect(200),
    ),
    *(
        Probe(
            "RFC 3261 §20.14",
            f"a length of {length!r} ends the connection",
            Send("OPTIONS", {LENGTH: length}),
            Expect(400),
            Closed(),
        )
        for length in ("-5", "many", "5x", "1e3")
    ),
    Probe(
        "RFC 4475 §3.3.9",
        "two lengths that differ",
        Send("OPTIONS", {LENGTH: ("0", "5")}),
        Expect(400),
        Closed(),
    ),
    Probe(
        "RFC 3261 §20.14",
        "a length beyond all bounds",
        Send("OPTIONS", {LENGTH: "99999999999999999999"}),
        Expect((400, 413)),
        Closed(),
    ),
    Probe(
        "RFC 3261 §18.3",
        "what is no SIP ends the connection",
        Raw("GET / HTTP/1.1\r\nHost: biloxi.com\r\n\r\n"),
        Closed(),
    ),
    Probe(
        "RFC 5626 §4.4.1",
        "a double CRLF is answered with one",
        Raw("\r\n\r\n"),
        Bytes(b"\r\n"),
        Send("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 5626 §4.4.1",
        "each double CRLF is answered",
        Raw("\r\n\r\n"),
        Bytes(b"\r\n"),
        Raw("\r\n\r\n"),
        Bytes(b"\r\n"),
    ),
    Probe(
        "RFC 5626 §4.4.1",
        "a double CRLF behind a message",
        Send("OPTIONS"),
        Expect(200),
        Raw("\r\n\r\n"),
        Bytes(b"\r\n"),
    ),
    Probe(
        "RFC 5626 §4.4.1",
        "a single CRLF is answered with nothing",
        Raw("\r\n"),
        Quiet(),
        Send("OPTIONS"),
        Expect(200),
    ),
)

CONNECTIONS = (
    Probe(
        "RFC 3261 §18",
        "two calls by one connection",
        UP,
        END,
        Send("INVITE", {"To": "<sip:bob@biloxi.com>", "Call-ID": "x{call_id}"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §18",
        "an ACK and a BYE by other connections",
        Send("INVITE"),
        Expect(200),
        Connect(),
        Ack(),
        Later(20),
        Quiet(),
        Connect(),
        END,
    ),
    Probe(
        "RFC 3261 §18",
        "a CANCEL by another connection",
        Send("INVITE"),
        Does("ring"),
        Expect(180),
        Connect(),
        Cancel(),
        Expect((200, 487)),
        Expect((200, 487)),
        Ack(),
        party="manual",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "an answer whose connection has ended goes by a new one",
        Send("INVITE"),
        Does("ring"),
        Expect(180),
        HangUp(),
        Does("reject"),
        Expect(486),
        Connections(1),
        Ack(),
        party="manual",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "the same, where it was reset",
        Send("INVITE"),
        Does("ring"),
        Expect(180),
        HangUp(rudely=True),
        Does("reject"),
        Expect(486),
        Connections(1),
        Ack(),
        party="manual",
    ),
    Probe(
        "RFC 3261 §12.2.1.1",
        "a call outlives its connection, and is ended by another",
        UP,
        HangUp(),
        Does("terminate"),
        Expect("BYE"),
        Connections(1),
        Reply(200, "BYE"),
        Stands("Terminated"),
    ),
    Probe(
        "RFC 3261 §18",
        "a call outlives its connection, and we end it by another",
        UP,
        HangUp(),
        Connect(),
        END,
    ),
    Probe(
        "RFC 3261 §18",
        "half a message, and the end",
        Raw("OPTIONS sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0"),
        HangUp(),
    ),
    Probe(
        "RFC 3261 §18",
        "half a message, and a reset",
        Raw("OPTIONS sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0"),
        HangUp(rudely=True),
    ),
    Probe("RFC 3261 §18", "a message, and the end before its answer", Send("OPTIONS"), HangUp()),
    Probe(
        "RFC 3261 §18.4",
        "a call whose connection ends before any answer has failed",
        Dial(),
        Expect("INVITE"),
        HangUp(),
        Later(1),
        Stands("Error", status=503),
        party="manual",
    ),
    Probe(
        "RFC 3261 §18.4",
        "the same, where it is reset",
        Dial(),
        Expect("INVITE"),
        HangUp(rudely=True),
        Later(1),
        Stands("Error", status=503),
        party="manual",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "an answer by another connection is one",
        Dial(),
        Expect("INVITE"),
        Reply(180),
        HangUp(),
        Connect(),
        Reply(200),
        Expect("ACK"),
        Stands("InDialog"),
        party="manual",
    ),
    Probe(
        "RFC 3261 §18.1.1",
        "what we ask goes by the connection that is there",
        Dial(),
        Expect("INVITE"),
        Reply(200),
        Expect("ACK"),
        Does("terminate"),
        Expect("BYE"),
        Connections(1),
        Reply(200, "BYE"),
        party="manual",
    ),
    Probe(
        "RFC 5923 §4",
        "two calls to one place share a connection",
        Dial(),
        Expect("INVITE"),
        Reply(486),
        Expect("ACK"),
        Dial(),
        Expect("INVITE"),
        Connections(1),
        Reply(486),
        Expect("ACK"),
        party="manual",
    ),
    Probe(
        "RFC 3261 §17.2.2",
        "a copy by a connection is a new request once the first is answered",
        Send("OPTIONS"),
        Expect(200),
        Again("OPTIONS"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §13.3.1.4",
        "a 2xx is sent again by a connection too",
        Send("INVITE"),
        Expect(200),
        Later(4),
        Repeats(200, 3),
        Ack(),
        END,
    ),
    Probe(
        "RFC 5626 §4.4.1",
        "the side that connected sends a ping when nothing goes",
        Dial(),
        Expect("INVITE"),
        Reply(200),
        Expect("ACK"),
        Later(121),
        Bytes(b"\r\n\r\n"),
        Raw("\r\n"),
        Later(20),
        Does("terminate"),
        Expect("BYE"),
        Connections(1),
        Reply(200, "BYE"),
        party="manual",
    ),
)


# There are no streams by UDP.
@cases(
    [
        Probe(one.clause, one.what, *one.steps, party=one.party, by="tcp")
        for one in (*FRAMING, *CONNECTIONS)
    ]
)
def test_streams(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables."""
    run(stage, probe, transport)

"""Requests of the party's own outside of dialogs, and their answers (RFC 3261 §8.1, §17.1.2,
§18.1).
"""

from __future__ import annotations

from .message import Message
from .probe import Probe, cases, run
from .stage import Stage
from .steps import Expect, Keep, Later, Quiet, Repeats, Reply, Same
from .user import Asks, Does, Stands

#: The party asks what we can do.
ASKS = (Asks("OPTIONS"), Expect("OPTIONS"))
ANSWERED = (Reply(200, "OPTIONS"), Stands("Answered", status=200))


def _data(message: Message) -> bytes:
    return message.data


PROBES = (
    Probe(
        "RFC 3261 §11.1",
        "OPTIONS are asked and answered",
        Asks("OPTIONS"),
        Expect("OPTIONS", {"Contact": "<sip:bob@", "To": "^<sip:peer@[^;]*", "CSeq": " OPTIONS$"}),
        ANSWERED,
        Quiet(),
    ),
    Probe(
        "RFC 3428 §4",
        "MESSAGE has no Contact",
        Asks("MESSAGE", {"Content-Type": "text/plain"}, "hello"),
        Expect("MESSAGE", {"Contact": None}, body=("^hello$",)),
        Reply(202, "MESSAGE"),
        Stands("Answered", status=202),
    ),
    Probe(
        "RFC 3261 §7.1",
        "a method of one's own",
        Asks("FROBNICATE", {"X-Y": "z"}),
        Expect("FROBNICATE", {"X-Y": "^z$"}),
        Reply(501, "FROBNICATE"),
        Stands("Answered", status=501),
    ),
    Probe(
        "RFC 3261 §17.1.2.2",
        "it is sent again: timer E, to timer F",
        ASKS,
        Later(0.4),
        Quiet(),
        Later(0.2),
        Repeats("OPTIONS", 1),
        Later(1),
        Repeats("OPTIONS", 1),
        Later(2),
        Repeats("OPTIONS", 1),
        Later(4),
        Repeats("OPTIONS", 1),
        Later(4),
        Repeats("OPTIONS", 1),
        Later(4),
        Repeats("OPTIONS", 1),
        Later(15),
        Repeats("OPTIONS", 3),
        Later(1.2),
        Repeats("OPTIONS", 1),
        Later(10),
        Quiet(),
        Stands("Failed", "32 s", 408),
        by="udp",
    ),
    Probe(
        "RFC 3261 §17.1.2.2",
        "what is sent again is the same",
        ASKS,
        Keep("first", _data),
        Later(0.6),
        Expect("OPTIONS"),
        Same("first", _data),
        ANSWERED,
        by="udp",
    ),
    Probe(
        "RFC 3261 §17.1.2.2",
        "after a provisional response it is sent every T2",
        ASKS,
        Reply(100, "OPTIONS", tag=""),
        Later(0.6),
        Repeats("OPTIONS", (0, 1)),
        Later(20),
        Repeats("OPTIONS", (4, 6)),
        ANSWERED,
        by="udp",
    ),
    Probe(
        "RFC 3261 §17.1.2.2",
        "by a connection it is sent once: timer F",
        ASKS,
        Later(31),
        Quiet(),
        Stands("Waiting"),
        Later(2),
        Stands("Failed", "32 s", 408),
        by="tcp",
    ),
    Probe(
        "RFC 3261 §17.1.2.2",
        "answers that come again are taken in silence: timer K",
        ASKS,
        ANSWERED,
        Reply(200, "OPTIONS"),
        Reply(500, "OPTIONS"),
        Quiet(),
        Stands("Answered", status=200),
    ),
    Probe(
        "RFC 3261 §17.1.3",
        "the first of two answers counts",
        ASKS,
        Reply(486, "OPTIONS", tag="a"),
        Reply(200, "OPTIONS", tag="b"),
        Quiet(),
        Stands("Answered", status=486),
    ),
    *(
        Probe(
            "RFC 3261 §8.1.3",
            f"a {status} is the answer",
            ASKS,
            Reply(status, "OPTIONS"),
            Stands("Answered", status=status),
            Quiet(),
        )
        for status in (202, 299, 300, 302, 400, 404, 405, 420, 481, 499, 500, 503, 513, 600, 699)
    ),
    Probe(
        "RFC 3261 §17.1.3",
        "an answer of another branch is none",
        ASKS,
        Reply(200, "OPTIONS", edit=((";branch=z9hG4bK", ";branch=z9hG4bKx"),)),
        Stands("Waiting"),
        ANSWERED,
    ),
    Probe(
        "RFC 3261 §17.1.3",
        "an answer of another method is none",
        ASKS,
        Reply(200, "OPTIONS", edit=((" OPTIONS\r\n", " INVITE\r\n"),)),
        Stands("Waiting"),
        ANSWERED,
    ),
    Probe(
        "RFC 3261 §8.1.3.3",
        "an answer with two Via is none",
        ASKS,
        Reply(
            200,
            "OPTIONS",
            edit=(("\r\nFrom", "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKy\r\nFrom"),),
        ),
        Stands("Waiting"),
        ANSWERED,
    ),
    Probe(
        "RFC 3261 §8.1.3.3",
        "an answer with two Via in a line is none",
        ASKS,
        Reply(
            200, "OPTIONS", edit=(("\r\nFrom", ", SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKy\r\nFrom"),)
        ),
        Stands("Waiting"),
        ANSWERED,
    ),
    Probe(
        "RFC 3261 §7.2",
        "a reason phrase may be empty, or anything",
        ASKS,
        Reply(200, "OPTIONS", edit=((" Whatever", " "),)),
        Stands("Answered", status=200),
    ),
    Probe(
        "RFC 3261 §7.2",
        "a reason phrase in UTF-8",
        ASKS,
        Reply(200, "OPTIONS", edit=((" Whatever", ' Schön: "<王>"'),)),
        Stands("Answered", status=200),
    ),
    Probe(
        "RFC 3261 §8.1.3",
        "an answer with headers that are none",
        ASKS,
        Reply(
            200,
            "OPTIONS",
            headers={"Contact": "<", "Allow": ";;", "Accept": ",", "Date": "x", "Expires": "-1"},
        ),
        Stands("Answered", status=200),
    ),
    Probe(
        "RFC 3261 §8.1.3",
        "an answer without a To",
        ASKS,
        Reply(200, "OPTIONS", headers={"To": None}),
        Quiet(),
        ANSWERED,
    ),
    Probe(
        "RFC 3261 §8.1.3",
        "an answer with the body that nobody asked for",
        ASKS,
        Reply(200, "OPTIONS", headers={"Content-Type": "x/y"}, body="\0" * 99),
        Stands("Answered", status=200),
    ),
    Probe(
        "RFC 3261 §9.1",
        "what is not an INVITE is not cancelled",
        ASKS,
        Reply(100, "OPTIONS", tag=""),
        Does("cancel"),
        Quiet(),
        ANSWERED,
    ),
)


@cases(PROBES)
def test_asking(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the table, by each of its transports."""
    run(stage, probe, transport)

"""Calls that the party places and that are answered: ACK, forks, routes and the end (RFC 3261 §12,
§13.2.2.4, §15; RFC 6026).
"""

from __future__ import annotations

from collections.abc import Callable

from .message import Message
from .probe import Probe, Scene, cases, run
from .stage import Stage
from .steps import Ack, Expect, Keep, Later, Quiet, Repeats, Reply, Same, Within
from .user import Dial, Does, Stands

#: The party calls, and is answered.
UP = (Dial(), Expect("INVITE"), Reply(200), Expect("ACK"), Stands("InDialog"))

#: The party hangs up.
END = (Does("terminate"), Expect("BYE"), Reply(200, "BYE"), Stands("Terminated"))


def _data(message: Message) -> bytes:
    return message.data


def _goes_to(uri: str) -> Callable[[Scene, Message], str]:
    def check(scene: Scene, message: Message) -> str:
        return "" if message.uri == scene.fill(uri) else f"it is for {message.uri}"

    return check


def _new_branch(scene: Scene, message: Message) -> str:
    return "its branch is the INVITE's" if message.branch == scene.heard["INVITE"].branch else ""


SUCCESS = (
    Probe(
        "RFC 3261 §13.2.2.4",
        "a 2xx makes a dialog, and gets an ACK",
        Dial(),
        Expect("INVITE"),
        Reply(200),
        Expect("ACK", {"To": "tag=t1$"}, check=_new_branch),
        Stands("InDialog"),
        Quiet(),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "the ACK goes to the Contact",
        Dial(),
        Expect("INVITE"),
        Reply(200, headers={"Contact": "<sip:me@127.0.0.1:{other};transport={way}>"}),
        Expect("ACK", at="other", check=_goes_to("sip:me@127.0.0.1:{other};transport={way}")),
        Does("terminate"),
        Expect("BYE", at="other", check=_goes_to("sip:me@127.0.0.1:{other};transport={way}")),
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a 2xx that comes again gets the same ACK again",
        UP,
        Reply(200),
        Expect("ACK"),
        Keep("ack", _data),
        Later(8),
        Reply(200),
        Reply(200),
        Expect("ACK"),
        Same("ack", _data),
        Expect("ACK"),
        Same("ack", _data),
        END,
    ),
    Probe(
        "RFC 6026 §7.2",
        "after 64*T1 there is no more of that",
        UP,
        Later(33),
        Reply(200),
        Quiet(),
        Stands("InDialog"),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a 2xx that comes again after our BYE gets its ACK too",
        UP,
        Does("terminate"),
        Expect("BYE"),
        Reply(200, "BYE"),
        Reply(200),
        Expect("ACK"),
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "another fork's 2xx gets an ACK and a BYE",
        UP,
        Reply(200, tag="t2"),
        Expect("ACK", {"To": "tag=t2$"}),
        Expect("BYE", {"To": "tag=t2$"}),
        Reply(200, "BYE"),
        Stands("InDialog"),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "several forks' 2xx",
        UP,
        Reply(200, tag="t2"),
        Expect("ACK"),
        Expect("BYE"),
        Reply(200, "BYE"),
        Reply(200, tag="t3"),
        Expect("ACK", {"To": "tag=t3$"}),
        Expect("BYE", {"To": "tag=t3$"}),
        Reply(200, "BYE"),
        Reply(200, tag="t2"),
        Expect("ACK", {"To": "tag=t2$"}),
        Quiet(),
        Stands("InDialog"),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a fork's 2xx with a place of its own",
        UP,
        Reply(200, tag="t2", headers={"Contact": "<sip:me@127.0.0.1:{other};transport={way}>"}),
        Expect("ACK", at="other"),
        Expect("BYE", at="other"),
        Reply(200, "BYE"),
        END,
    ),
    Probe(
        "RFC 3261 §21.2",
        "a 2xx of another number",
        Dial(),
        Expect("INVITE"),
        Reply(202),
        Expect("ACK"),
        Stands("InDialog"),
        END,
    ),
    Probe(
        "RFC 3261 §12.1.2",
        "a 2xx without a To tag, as RFC 2543 had it",
        Dial(),
        Expect("INVITE"),
        Reply(200, tag=""),
        Expect("ACK"),
        Stands("InDialog"),
        END,
    ),
    Probe(
        "RFC 3261 §12.1.2",
        "a 2xx without a Contact",
        Dial(),
        Expect("INVITE"),
        Reply(200, headers={"Contact": None}),
        Expect("ACK"),
        END,
    ),
    Probe(
        "RFC 3261 §12.1.2",
        "Record-Route is followed in reverse",
        Dial(),
        Expect("INVITE"),
        Reply(
            200,
            headers={
                "Record-Route": (
                    "<sip:p3.example.com;lr>, <sip:p2.example.com;lr;a=b>",
                    "<sip:{place};transport={way};lr>",
                ),
                "Contact": "<sip:me@192.0.2.1>",
            },
        ),
        Expect(
            "ACK",
            {
                "Route": (
                    "<sip:{place};transport={way};lr>",
                    "<sip:p2.example.com;lr;a=b>",
                    "<sip:p3.example.com;lr>",
                )
            },
            check=_goes_to("sip:me@192.0.2.1"),
        ),
        Does("terminate"),
        Expect(
            "BYE",
            {
                "Route": (
                    "<sip:{place};transport={way};lr>",
                    "<sip:p2.example.com;lr;a=b>",
                    "<sip:p3.example.com;lr>",
                )
            },
            check=_goes_to("sip:me@192.0.2.1"),
        ),
    ),
    Probe(
        "RFC 3261 §12.2.1.1",
        "a strict router is the target itself",
        Dial(),
        Expect("INVITE"),
        Reply(
            200,
            headers={
                "Record-Route": ("<sip:p2.example.com;lr>", "<sip:{place};transport={way}>"),
                "Contact": "<sip:me@192.0.2.1>",
            },
        ),
        Expect(
            "ACK",
            {"Route": ("<sip:p2.example.com;lr>", "<sip:me@192.0.2.1>")},
            check=_goes_to("sip:{place};transport={way}"),
        ),
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "routes are those of the 2xx, not of the 180",
        Dial(),
        Expect("INVITE"),
        Reply(180, headers={"Record-Route": "<sip:192.0.2.1;lr>"}),
        Reply(200, headers={"Record-Route": "<sip:{place};transport={way};lr>"}),
        Expect("ACK", {"Route": ("<sip:{place};transport={way};lr>",)}),
        END,
    ),
    Probe(
        "RFC 3261 §13.2.2.4",
        "a 2xx whose Contact is none is acknowledged, and hung up",
        Dial(),
        Expect("INVITE"),
        Reply(200, headers={"Contact": "<mailto:a@b>"}),
        Expect("ACK"),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error", "Contact"),
    ),
    Probe(
        "RFC 3261 §12.2.1.1",
        "numbers go up by one",
        Dial(),
        Expect("INVITE"),
        Keep("number", lambda one: int(one.number) + 1),
        Reply(200),
        Expect("ACK"),
        Does("terminate"),
        Expect("BYE", {"CSeq": "^{kept.number} BYE$"}),
        Reply(200, "BYE"),
    ),
    Probe(
        "RFC 3261 §15.1.1",
        "481 to our BYE is an end",
        UP,
        Does("terminate"),
        Expect("BYE"),
        Reply(481, "BYE"),
        Stands("Terminated"),
    ),
    Probe(
        "RFC 3261 §15.1.1",
        "408 to our BYE is an end, in error",
        UP,
        Does("terminate"),
        Expect("BYE"),
        Reply(408, "BYE"),
        Stands("Error", status=408),
    ),
    Probe("RFC 3261 §15.1.2", "we hang up", UP, Within("BYE"), Expect(200), Stands("Terminated")),
    Probe("RFC 3261 §12.2.2", "OPTIONS within", UP, Within("OPTIONS"), Expect(200), END),
    Probe("RFC 3261 §14.2", "we change the call", UP, Within("INVITE"), Expect(200), Ack(), END),
    Probe(
        "RFC 3261 §12.2.2",
        "our change gives a new target",
        UP,
        Within("INVITE", {"Contact": "<sip:new@127.0.0.1:{other};transport={way}>"}),
        Expect(200),
        Ack(),
        Does("terminate"),
        Expect("BYE", at="other"),
        Reply(200, "BYE"),
    ),
    Probe(
        "RFC 3261 §12.2.2",
        "a request of ours with another tag",
        UP,
        Within("OPTIONS", {"From": "<sip:peer@example.com>;tag=other"}),
        Expect(481),
        END,
    ),
    Probe(
        "RFC 3261 §12.2.2",
        "a request of ours whose number is lower",
        UP,
        Within("OPTIONS", number=9),
        Expect(200),
        Within("OPTIONS", number=8),
        Expect(500),
        END,
    ),
    Probe(
        "RFC 3261 §12.2.1.2",
        "481 to what is asked within ends the call",
        UP,
        Does("send", ("INFO",)),
        Expect("INFO"),
        Reply(481, "INFO"),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error", status=481),
    ),
    Probe(
        "RFC 3261 §12.2.1.2",
        "so does no answer",
        UP,
        Does("send", ("INFO",)),
        Expect("INFO"),
        Later(31),
        Repeats("INFO", 0),
        Later(2),
        Expect("BYE"),
        Reply(200, "BYE"),
        Stands("Error", status=408),
        by="tcp",
    ),
    Probe(
        "RFC 3261 §8.1.3.2",
        "another refusal within leaves the call",
        UP,
        Does("send", ("INFO",)),
        Expect("INFO", {"CSeq": "INFO"}),
        Reply(500, "INFO"),
        Stands("InDialog"),
        END,
    ),
)


@cases(SUCCESS)
def test_answered_calls(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)

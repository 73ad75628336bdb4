"""Calls in a line each: who, how it ended, how long."""

import pytest

from sipparty.trace import Ladder
from sipparty.trace.calls import calls_of

from .ladder.records import ALICE, BOB, request, response, sent


def line(*messages):
    records = [
        sent(time, data, *((BOB, ALICE) if data.startswith(b"SIP") else (ALICE, BOB)))
        for time, data in messages
    ]
    (found,) = calls_of(Ladder(records).layout())
    return found


INVITE = (0.0, request())


@pytest.mark.parametrize(
    ("messages", "phase", "outcome"),
    [
        ([INVITE], "calling", "no answer"),
        ([INVITE, (1, response(180, "Ringing"))], "ringing", "180 Ringing"),
        ([INVITE, (1.5, response())], "answered", "answered after 1.5 s"),
        ([INVITE, (2, response(486, "Busy Here"))], "failed", "486 Busy Here"),
        (
            [INVITE, (1, response(401, "No")), (1, request(cseq=2)), (2, response(cseq=2))],
            "answered",
            "answered after 2.0 s",
        ),
        (
            [INVITE, (1, response()), (62, request("BYE")), (63, response(method="BYE"))],
            "ended",
            "answered after 1.0 s, 1:01 long",
        ),
        (
            [INVITE, (1, response()), (7262, request("BYE"))],
            "ended",
            "answered after 1.0 s, 2:01:01 long",
        ),
        (
            [INVITE, (3, request("CANCEL")), (3, response(487, "Terminated"))],
            "cancelled",
            "cancelled after 3.0 s",
        ),
        (  # a fork: one branch is busy, the other one rings and answers
            [INVITE, (1, response(486, "Busy")), (2, response(180, "Ringing")), (3, response())],
            "answered",
            "answered after 3.0 s",
        ),
        (
            [INVITE, (1, response(486, "Busy")), (2, response(180, "Ringing"))],
            "ringing",
            "180 Ringing",
        ),
        ([INVITE, (1, request("CANCEL")), (2, response())], "answered", "answered after 2.0 s"),
        ([INVITE, (1, request("CANCEL")), (2, response(486, "Busy"))], "failed", "486 Busy"),
        (
            [INVITE, (1, response(180, "Ringing")), (2, request("BYE")), (2, response(487, "No"))],
            "cancelled",
            "cancelled after 2.0 s",
        ),
        (
            [INVITE, (1, response(180, "Ringing")), (9, request("BYE"))],
            "ended",
            "hung up, and no answer was seen",
        ),
        ([(0, request("OPTIONS")), (1, response(method="OPTIONS"))], "ended", "200 OK"),
        ([(0, request("OPTIONS"))], "calling", "no answer"),
        ([(0, request("OPTIONS")), (1, response(404, "No", "OPTIONS"))], "failed", "404 No"),
        ([(0, response(200, "OK", "NOTIFY"))], "ended", "200 OK"),
    ],
)
def test_how_a_call_ended(messages, phase, outcome):
    found = line(*messages)
    assert (found.phase, found.outcome) == (phase, outcome)
    assert (found.began, found.records) == (messages[0][0], len(messages))


@pytest.mark.parametrize(
    ("value", "who"),
    [
        (b"Alice <sip:alice@atlanta.com;transport=tcp>;tag=1", "alice@atlanta.com"),
        (b"sips:alice:secret@atlanta.com;tag=1", "alice:***@atlanta.com"),
        (b"<tel:+15551234>", "+15551234"),
        (b"\x1b[2J", "\\x1b[2J"),
    ],
)
def test_who_calls(value, who):
    data = request().replace(b"CSeq", b"f: " + value + b"\r\nTo: <sip:bob@biloxi.com>\r\nCSeq")
    found = line((0, data))
    assert (found.caller, found.callee, found.method) == (who, "bob@biloxi.com", "INVITE")

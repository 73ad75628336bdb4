"""From each event to the message that made it, and headers of one's own on what a call sends."""

import pytest

from sipparty.errors import CallFailed
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallHeld,
    CallProgressed,
    CallReceived,
    CallResumed,
    MediaChanged,
)
from sipparty.sip.message import Request, Response


def made_by(events):
    """Events, each with the method or the status of what made it."""
    found = []
    for event in events:
        by = event.made_by
        what = None if by is None else by.method if isinstance(by, Request) else by.status
        found.append((type(event), what))
    return found


def test_a_call_that_is_hung_up(pair):
    mine, its = pair.call(), None
    pair.run(lambda: pair.bob.dialogs)
    (its,) = pair.bob.dialogs
    its.ring()
    its.accept()
    pair.run(lambda: its._invited is None)
    mine.terminate()
    pair.quiet()
    assert made_by(pair.alice_events) == [
        (CallProgressed, 180),
        (CallEstablished, 200),
        (CallEnded, 200),
    ]
    assert made_by(pair.bob_events) == [
        (CallReceived, "INVITE"),
        (CallEstablished, "ACK"),
        (CallEnded, "BYE"),
    ]


def test_requests_and_responses_apart(pair):
    mine, _ = pair.established()
    mine.terminate()
    pair.quiet()
    bye, ok = pair.bob_events[-1], pair.alice_events[-1]
    assert (bye.request.method, bye.response) == ("BYE", None)
    assert (ok.request, ok.response.status) == (None, 200)
    assert isinstance(bye.made_by, Request)
    assert isinstance(ok.made_by, Response)
    assert "made_by" not in repr(bye)


@pytest.mark.parametrize("status", [486, 603])
def test_a_call_that_is_refused(wire, status):
    call, invite = wire.invite(wire.agent())
    wire.receive(wire.answer(invite, status, headers=[("Retry-After", "60")]))
    assert made_by(wire.happened) == [(CallEnded, status)]
    assert wire.happened[-1].response.lines("Retry-After") == ["60"]
    assert call.state == "Error"


def test_a_call_that_is_cancelled(wire):
    wire.agent()
    wire.invited()
    wire.receive(wire.request("CANCEL", headers=["X-Why: enough"]))
    assert made_by(wire.happened) == [(CallReceived, "INVITE"), (CallEnded, "CANCEL")]
    assert wire.happened[-1].request["X-Why"] == "enough"


def test_what_a_timer_ends_was_made_by_no_message(wire):
    wire.invite(wire.agent())
    wire.pass_until(40)
    assert made_by(event for event in wire.happened if type(event) is CallEnded) == [
        (CallEnded, None)
    ]


def test_a_verb_makes_events_without_a_message(wire):
    agent = wire.agent()
    call, _ = wire.invite(agent)
    wire.happened.clear()
    call.give_up(CallFailed("enough"))
    wire.pump()
    assert made_by(wire.happened) == [(CallEnded, None)]


def test_changes_of_a_call(wire):
    agent = wire.agent(media=True)
    call = wire.invited(body=b"offer")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.happened.clear()
    wire.medias[-1].peer_holds = False
    call.hold()
    wire.receive(wire.answer(wire.one(), 200, body=b"yes"))
    call.resume()
    again = [one for one in wire.sent() if isinstance(one, Request) and one.method == "INVITE"]
    wire.receive(wire.answer(again[0], 200, body=b"yes"))
    wire.sent()
    wire.receive(wire.within(answer, "INVITE", body=b"other"))
    assert made_by(wire.happened) == [
        (MediaChanged, 200),
        (CallHeld, 200),
        (MediaChanged, 200),
        (CallResumed, 200),
        (MediaChanged, "INVITE"),
    ]
    assert agent.dialogs


# ---------------------------------------------------------------- headers of one's own


MINE = [("X-Mine", "yes")]


def test_headers_of_what_a_called_side_answers(wire):
    wire.agent()
    call = wire.invited()
    call.ring(headers=MINE)
    assert wire.one()["X-Mine"] == "yes"
    call.accept(MINE)
    answer = wire.one()
    assert answer["X-Mine"] == "yes"
    wire.acknowledge(answer)
    call.terminate(MINE)
    assert wire.one()["X-Mine"] == "yes"


@pytest.mark.parametrize("verb", ["reject", "terminate"])
def test_headers_of_refusals(wire, verb):
    wire.agent()
    getattr(wire.invited(), verb)(headers=MINE)
    assert wire.one()["X-Mine"] == "yes"


def test_headers_of_what_a_calling_side_asks(wire):
    agent = wire.agent(media=True)
    call, invite = wire.invite(agent, headers=MINE)
    assert invite["X-Mine"] == "yes"
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    assert wire.starts() == ["ACK"]
    call.hold(headers=MINE)
    again = wire.one()
    assert again["X-Mine"] == "yes"
    wire.receive(wire.answer(again, 200, body=b"yes"))
    wire.sent()
    call.send("DANCE", MINE)
    call.info(headers=MINE)
    call.message("x", headers=MINE)
    assert [one["X-Mine"] for one in wire.sent()] == ["yes"] * 3
    call.terminate(MINE)
    assert wire.one()["X-Mine"] == "yes"


def test_headers_of_a_cancel(wire):
    call, invite = wire.invite(wire.agent())
    wire.receive(wire.answer(invite, 180))
    call.terminate(MINE)
    cancel = wire.one()
    assert (cancel.method, cancel["X-Mine"]) == ("CANCEL", "yes")

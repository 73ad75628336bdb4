"""Requests inside a call that go to the other one, message by message."""

import pytest

from sipparty.b2bua.bridge import Leg
from sipparty.sip.dialog.state import DialogState

from ..sip.conftest import Wire


@pytest.fixture
def legs():
    """Two calls that have come, as if they were joined; and the 200 of each."""
    wire = Wire()
    wire.agent().server_dialog = Leg
    made = []
    for name in ("c1", "c2"):
        leg = wire.invited(call_id=name, branch=f"z9hG4bK{name}")
        leg.accept()
        answer = wire.one()
        wire.acknowledge(answer, branch=f"z9hG4bKa{name}")
        made.append((leg, answer))
    (one, first), (other, second) = made
    one.other, other.other = other, one
    return wire, one, first, second


def test_so_many_wait_for_the_other_side_at_the_most(legs):
    wire, _, first, _ = legs
    wire.hold_flows = True
    for number in range(DialogState.MAX_QUEUED):
        wire.receive(wire.within(first, "INFO", 2 + number))
    assert wire.sent() == []
    wire.receive(wire.within(first, "INFO", 500))
    assert wire.starts() == [503]


def test_an_answer_that_comes_too_late_is_passed_on_to_nobody(legs):
    wire, _, first, _ = legs
    wire.hold_flows = True
    wire.receive(wire.within(first, "INFO", 2))
    wire.pass_until(wire.now + 20)
    wire.give_flow(wire.wanted[0])
    info = wire.one()
    wire.pass_until(wire.now + 20)  # the first transaction is over, the second is not
    wire.sent()
    wire.receive(wire.answer(info, 200, contact=None))
    assert wire.sent() == []


def test_an_answer_that_never_comes_is_passed_on_to_nobody_either(legs):
    wire, _, first, _ = legs
    wire.hold_flows = True
    wire.receive(wire.within(first, "INFO", 2))
    wire.pass_until(wire.now + 20)
    wire.give_flow(wire.wanted[0])
    wire.pass_until(wire.now + 40)
    assert [one for one in wire.starts() if one != "INFO"] == []

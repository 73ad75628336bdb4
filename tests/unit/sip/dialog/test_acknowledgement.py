"""The ACK for a 2xx, where no way for it is found at first, or ever (RFC 3261 §13.2.2.4)."""

import pytest

from sipparty.errors import CallUnreachable
from sipparty.sip import Message


@pytest.fixture
def answered(wire):
    """A call that was answered, the way of whose ACK is not known yet."""
    call, invite = wire.invite(wire.agent("sip:alice@atlanta.com"))
    wire.hold_flows = True
    ok = wire.answer(invite, 200, contact="<sip:bob@pbx.example>")
    wire.receive(ok)
    assert call.state == "InDialog"
    return call, ok


def fail(wire):
    wire.core.flow_failed(wire.wanted.pop(), "No such name.", wire.now)
    wire.pump()


def test_it_is_tried_again_each_time_the_2xx_comes(wire, answered):
    call, ok = answered
    fail(wire)
    wire.receive(ok)
    assert wire.sent() == []
    assert len(wire.wanted) == 1  # it is looked for anew
    wire.receive(ok)
    assert len(wire.wanted) == 1  # once at a time
    wire.give_flow(wire.wanted.pop())
    ack = wire.one()
    assert (ack.method, ack.cseq.number) == ("ACK", Message.parse(ok).cseq.number)
    wire.receive(ok)
    assert bytes(wire.one()) == bytes(ack)
    wire.hold_flows = False
    wire.pass_until(40)
    assert call.state == "InDialog"
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_a_call_that_is_never_acknowledged_fails_and_says_why(wire, answered):
    """The other side ends it after so long; so do we, rather than be in a call that is none."""
    call, _ = answered
    fail(wire)
    wire.hold_flows = False
    wire.pass_until(31)
    assert call.state == "InDialog"
    wire.pass_until(32.1)
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 481))
    assert call.state == "Error"
    assert isinstance(call.last_error, CallUnreachable)
    assert str(call.last_error) == "The answer could not be acknowledged: No such name."
    wire.over()


def test_one_that_is_hung_up_meanwhile_ends_as_it_was_to(wire, answered):
    call, _ = answered
    fail(wire)
    wire.hold_flows = False
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()

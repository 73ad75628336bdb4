"""A request on its way: located, sent, cancelled, answered (RFC 3261 §8.1.3, §9.1)."""

import pytest

from sipparty.errors import CallTimedOut, CallUnreachable
from sipparty.sip import Request
from sipparty.sip.outgoing import OutgoingRequest
from sipparty.sip.routing import NextHop


class User:
    """Builds a request of a method, or raises what it was given, and notes what it hears."""

    def __init__(self, method="INVITE", error=None):
        self.method, self.error, self.heard = method, error, []

    def build_request(self, outgoing, flow):
        if self.error:
            raise self.error
        return Request(
            self.method,
            "sip:bob@biloxi.com",
            {
                "From": "<sip:alice@atlanta.com>;tag=a1",
                "To": "<sip:bob@biloxi.com>",
                "Call-ID": "c1",
                "CSeq": f"1 {self.method}",
                "Max-Forwards": 70,
            },
        )

    def response_received(self, outgoing, response):
        self.heard.append(response.status)

    def request_failed(self, outgoing, error):
        self.heard.append(error)

    def request_over(self, outgoing):
        self.heard.append("over")


@pytest.fixture
def begin(wire):
    def start(*args, **kwargs):
        user = User(*args, **kwargs)
        outgoing = OutgoingRequest(wire.core, user, NextHop("10.0.0.9"), "endpoint", None)
        outgoing.start()
        wire.pump()
        return outgoing, user

    return start


def test_its_way(wire, begin):
    wire.hold_flows = True
    outgoing, user = begin("OPTIONS")
    (wanted,) = wire.wanted
    assert (wanted.next_hop, wanted.endpoint) == (NextHop("10.0.0.9"), "endpoint")
    assert outgoing.flow is outgoing.request is None
    wire.give_flow(wanted)
    sent = wire.one()
    assert outgoing.flow == wire.flow
    assert outgoing.request == sent
    wire.receive(wire.answer(sent, 100))
    assert not outgoing.finished
    wire.receive(wire.answer(sent, 200))
    assert outgoing.finished
    wire.pass_until(10)
    assert user.heard == [100, 200, "over"]


def test_no_answer(wire, begin):
    outgoing, user = begin("OPTIONS")
    wire.pass_until(32)
    error, over = user.heard
    assert isinstance(error, CallTimedOut)
    assert (str(error), error.status) == ("10.0.0.9:5060 did not answer within 32 s.", 408)
    assert over == "over"
    assert outgoing.finished


def test_no_way(wire, begin):
    wire.hold_flows = True
    _, user = begin()
    wire.core.flow_failed(wire.wanted[0], "No route leads there.", 0.0)
    error, over = user.heard
    assert isinstance(error, CallUnreachable)
    assert (str(error), error.status, over) == ("No route leads there.", 503, "over")


def test_a_broken_transport(wire, begin):
    _, user = begin()
    wire.core.transport_failed(wire.flow, "connection refused", 0.0)
    error, over = user.heard
    assert isinstance(error, CallUnreachable)
    assert (error.status, over) == (503, "over")
    assert str(error) == "10.0.0.9:5060 cannot be reached: connection refused."


@pytest.mark.parametrize("error", [CallTimedOut("x"), OSError("x"), ZeroDivisionError("x")])
def test_a_request_that_cannot_be_made_fails_its_user_and_nobody_else(wire, begin, error):
    outgoing, user = begin(error=error)
    failure, over = user.heard
    assert str(failure) == "The request could not be made: x"
    assert failure.__cause__ is error
    assert over == "over"
    assert outgoing.finished
    assert wire.sent() == []


def test_a_cancel_waits_for_a_provisional_response(wire, begin):
    outgoing, user = begin()
    invite = wire.one()
    outgoing.cancel()
    outgoing.cancel()
    assert wire.sent() == []
    wire.receive(wire.answer(invite, 100))
    cancel = wire.one()
    assert (cancel.method, cancel.via.branch) == ("CANCEL", invite.via.branch)
    wire.receive(wire.answer(invite, 180))
    outgoing.cancel()
    assert wire.sent() == []
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(invite, 487))
    assert user.heard == [100, 180, 487]


@pytest.mark.parametrize("status", [None, 481, 500])
def test_what_becomes_of_the_cancel_does_not_matter(wire, begin, status):
    outgoing, user = begin()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    outgoing.cancel()
    cancel = wire.one()
    if status:
        wire.receive(wire.answer(cancel, status))
    wire.pass_until(31)
    wire.receive(wire.answer(invite, 200))
    assert user.heard == [180, 200]


def test_a_cancelled_invite_that_is_not_answered_ends_after_64_t1(wire, begin):
    outgoing, user = begin()
    wire.receive(wire.answer(wire.one(), 180))
    wire.pass_until(100)
    outgoing.cancel()
    wire.pass_until(132)
    assert user.heard[0] == 180
    assert isinstance(user.heard[1], CallTimedOut)
    assert user.heard[2] == "over"
    assert wire.core.idle()


def test_a_cancel_before_there_is_a_flow(wire, begin):
    wire.hold_flows = True
    outgoing, user = begin()
    outgoing.cancel()
    wire.give_flow(wire.wanted[0])
    error, over = user.heard
    assert (error.status, over) == (487, "over")
    assert wire.sent() == []


def test_only_an_invite_is_cancelled(wire, begin):
    outgoing, _ = begin("OPTIONS")
    options = wire.one()
    wire.receive(wire.answer(options, 100))
    outgoing.cancel()
    wire.receive(wire.answer(options, 100))
    assert wire.sent() == []


def test_a_cancel_after_the_answer_does_nothing(wire, begin):
    outgoing, _ = begin()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    wire.receive(wire.answer(invite, 486))
    wire.sent()
    outgoing.cancel()
    assert wire.sent() == []

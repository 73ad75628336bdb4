"""A request on its way: located, sent, cancelled, answered (RFC 3261 §8.1.3, §9.1)."""

import pytest

from sipparty.errors import CallTimedOut, CallUnreachable, UnexpectedInput
from sipparty.sip import Request
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import NextHop


class User:
    """Builds a request of a method, or raises what it was given, and notes what it hears."""

    def __init__(self, method="INVITE", error=None):
        self.method, self.error, self.heard = method, error, []

    def build_request(self, client_request, flow):
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

    def response_received(self, client_request, response):
        self.heard.append(response.status)

    def request_failed(self, client_request, error):
        self.heard.append(error)

    def request_over(self, client_request):
        self.heard.append("over")


@pytest.fixture
def begin(wire):
    def start(*args, **kwargs):
        user = User(*args, **kwargs)
        client_request = ClientRequest(wire.core, user, NextHop("10.0.0.9"), "endpoint", None)
        client_request.start()
        wire.pump()
        return client_request, user

    return start


def test_its_way(wire, begin):
    wire.hold_flows = True
    client_request, user = begin("OPTIONS")
    (wanted,) = wire.wanted
    assert (wanted.next_hop, wanted.endpoint) == (NextHop("10.0.0.9"), "endpoint")
    assert client_request.flow is client_request.request is None
    wire.give_flow(wanted)
    sent = wire.one()
    assert client_request.flow == wire.flow
    assert client_request.request == sent
    wire.receive(wire.answer(sent, 100))
    assert not client_request.finished
    wire.receive(wire.answer(sent, 200))
    assert client_request.finished
    wire.pass_until(10)
    assert user.heard == [100, 200, "over"]


def test_no_answer(wire, begin):
    client_request, user = begin("OPTIONS")
    wire.pass_until(32)
    error, over = user.heard
    assert isinstance(error, CallTimedOut)
    assert (str(error), error.status) == ("10.0.0.9:5060 did not answer within 32 s.", 408)
    assert over == "over"
    assert client_request.finished


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
    client_request, user = begin(error=error)
    failure, over = user.heard
    assert str(failure) == "The request could not be made: x"
    assert failure.__cause__ is error
    assert over == "over"
    assert client_request.finished
    assert wire.sent() == []


def test_a_cancel_waits_for_a_provisional_response(wire, begin):
    client_request, user = begin()
    invite = wire.one()
    client_request.cancel()
    client_request.cancel()
    assert wire.sent() == []
    wire.receive(wire.answer(invite, 100))
    cancel = wire.one()
    assert (cancel.method, cancel.via.branch) == ("CANCEL", invite.via.branch)
    wire.receive(wire.answer(invite, 180))
    client_request.cancel()
    assert wire.sent() == []
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(invite, 487))
    assert user.heard == [100, 180, 487]


@pytest.mark.parametrize("status", [None, 481, 500])
def test_what_becomes_of_the_cancel_does_not_matter(wire, begin, status):
    client_request, user = begin()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    client_request.cancel()
    cancel = wire.one()
    if status:
        wire.receive(wire.answer(cancel, status))
    wire.pass_until(31)
    wire.receive(wire.answer(invite, 200))
    assert user.heard == [180, 200]


def test_a_cancelled_invite_that_is_not_answered_ends_after_64_t1(wire, begin):
    client_request, user = begin()
    wire.receive(wire.answer(wire.one(), 180))
    wire.pass_until(100)
    client_request.cancel()
    wire.pass_until(132)
    assert user.heard[0] == 180
    assert isinstance(user.heard[1], CallTimedOut)
    assert user.heard[2] == "over"
    assert wire.core.idle()


def test_a_cancel_before_there_is_a_flow(wire, begin):
    wire.hold_flows = True
    client_request, user = begin()
    client_request.cancel()
    wire.give_flow(wire.wanted[0])
    error, over = user.heard
    assert (error.status, over) == (487, "over")
    assert wire.sent() == []


def test_only_an_invite_is_cancelled(wire, begin):
    client_request, _ = begin("OPTIONS")
    options = wire.one()
    wire.receive(wire.answer(options, 100))
    client_request.cancel()
    wire.receive(wire.answer(options, 100))
    assert wire.sent() == []


def test_a_cancel_after_the_answer_does_nothing(wire, begin):
    client_request, _ = begin()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    wire.receive(wire.answer(invite, 486))
    wire.sent()
    client_request.cancel()
    assert wire.sent() == []


# ---------------------------------------------------------------- outside of dialogs (§8)


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


def send(wire, agent, request):
    return send_out_of_dialog(agent, request, NextHop("10.0.0.9")), wire.one()


def test_what_a_request_lacks_is_filled_in(wire, alice):
    # §8.1.1.
    _, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    assert sent.max_forwards == 70
    assert sent.from_.uri_text == "sip:alice@atlanta.com"
    assert sent.from_.tag
    assert sent.lines("To") == ["<sip:bob@biloxi.com>"]
    assert sent.call_id
    assert sent.cseq.method == "OPTIONS"
    assert sent.contact.uri_text == "sip:alice@10.0.0.1:5060"
    assert len(sent.lines("Via")) == 1


def test_what_it_has_stays(wire, alice):
    headers = {
        "Max-Forwards": 5,
        "From": "<sip:eve@x.example>;tag=e1",
        "To": "<sip:carol@y.example>",
        "Call-ID": "mine",
        "CSeq": "7 OPTIONS",
        "Contact": "<sip:eve@10.1.1.1>",
        "X-Any": "thing",
    }
    _, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com", headers))
    for name, value in headers.items():
        assert sent.lines(name) == [str(value)]


@pytest.mark.parametrize("method", ["MESSAGE", "PUBLISH", "INFO"])
def test_some_requests_have_no_contact(wire, alice, method):
    # RFC 3428 §4: "MUST NOT" for MESSAGE.
    _, sent = send(wire, alice, Request(method, "sip:bob@biloxi.com"))
    assert "Contact" not in sent


def test_a_request_may_be_sent_again_as_another(wire, alice):
    request = Request("OPTIONS", "sip:bob@biloxi.com")
    _, first = send(wire, alice, request)
    asked, second = send(wire, alice, request)
    assert len(second.lines("Via")) == 1
    assert second.via.branch != first.via.branch
    wire.receive(wire.answer(second, 200))
    assert asked.state == "Answered"


@pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
def test_any_final_response_is_the_outcome(wire, alice, status):
    asked, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 100))
    wire.receive(wire.answer(sent, status))
    wire.receive(wire.answer(sent, status))
    assert asked.state == "Answered"
    assert [response.status for response in asked.provisional] == [100]
    assert asked.response.status == status
    assert asked.wait(0).status == status
    wire.pass_until(40)
    assert wire.core.idle()


def test_no_response_is_an_error(wire, alice):
    asked, _ = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.pass_until(32)
    assert asked.state == "Failed"
    with pytest.raises(CallTimedOut):
        asked.wait(0)
    assert wire.core.idle()


async def test_the_outcome_can_be_awaited(wire, alice):
    asked, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 200))
    assert (await asked).status == 200


def test_an_invite_may_be_cancelled(wire, alice):
    asked, sent = send(wire, alice, Request("INVITE", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 180))
    asked.cancel()
    assert wire.starts() == ["CANCEL"]
    wire.receive(wire.answer(sent, 487))
    assert asked.response.status == 487


def test_a_request_is_sent_once(wire, alice):
    asked, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    with pytest.raises(UnexpectedInput):
        asked.start()
    wire.receive(wire.answer(sent, 200))
    asked.cancel()  # which comes too late, as it may
    assert wire.sent() == []

"""Requests outside of dialogs, and those in dialogs that no usage takes (RFC 3261 §8.2)."""

import pytest

from sipparty.errors import BuildError, CallTimedOut, UnexpectedInput
from sipparty.sip import Request
from sipparty.sip.events import RequestReceived
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import NextHop


@pytest.fixture
def incoming(wire):
    wire.agent().handle_method("MESSAGE")
    wire.receive(wire.request("MESSAGE", body=b"hello", kind="text/plain"))
    (event,) = wire.happened
    return event.incoming


def test_a_handler_answers(wire, incoming):
    incoming.respond(100)
    incoming.respond(200, "Fine", {"X-Any": "thing"}, "body")
    trying, answer = wire.sent()
    assert trying.to.tag is None
    assert (answer.status, answer.reason, answer["X-Any"]) == (200, "Fine", "thing")
    assert answer.body == b"body"
    assert answer.to.tag
    with pytest.raises(UnexpectedInput):
        incoming.respond(500)


def test_an_answer_that_cannot_be_written_leaves_the_request_to_be_answered(wire, incoming):
    with pytest.raises(BuildError):
        incoming.respond(200, headers={"X-Any": "a\r\nb"})
    incoming.respond(200)
    assert wire.starts() == [200]


def test_a_request_that_comes_again_is_answered_again(wire, incoming):
    incoming.respond(200)
    answer = wire.one()
    wire.receive(wire.request("MESSAGE", body=b"hello", kind="text/plain"))
    assert bytes(wire.one()) == bytes(answer)
    assert len(wire.happened) == 1


def test_a_handler_that_takes_too_long_is_told(wire, incoming):
    wire.pass_until(32)
    with pytest.raises(UnexpectedInput):
        incoming.respond(200)
    assert wire.core.idle()


def test_a_request_in_a_call_is_given_with_the_call(pair):
    mine, its = pair.established()
    pair.bob.handle_method("DANCE")
    exchange = mine.send("DANCE")
    pair.run(lambda: type(pair.bob_events[-1]) is RequestReceived)
    event = pair.bob_events[-1]
    assert (event.request.method, event.call, event.topic) == ("DANCE", its, id(its))
    event.incoming.respond(299)
    pair.run(lambda: exchange.state == "Answered")
    assert exchange.response.status == 299
    mine.terminate()
    pair.quiet()


def test_what_a_call_takes_itself_goes_to_no_handler(pair):
    mine, its = pair.established()
    pair.bob.handle_method("BYE")
    mine.terminate()
    pair.quiet()
    assert its.state == "Terminated"


def test_a_request_outside_of_calls_is_given_without_one(wire, incoming):
    (event,) = wire.happened
    assert event.call is None
    assert event.topic is None


def test_a_request_in_a_call_that_asks_for_what_is_not_known_is_refused(wire):
    wire.agent().handle_method("DANCE")
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "DANCE", headers=["Require: wings"]))
    refusal = wire.one()
    assert (refusal.status, refusal["Unsupported"]) == (420, ("wings",))
    assert RequestReceived not in wire.kinds()


class User:
    """Keeps what comes of a request."""

    def __init__(self):
        self.came = []

    def request_built(self, client_request, request, flow):
        self.came.append(request.method)

    def response_received(self, client_request, response):
        self.came.append(response.status)

    def request_failed(self, client_request, error):
        self.came.append(type(error))


@pytest.mark.parametrize(
    ("status", "came"), [(202, ["MESSAGE", 202]), (None, ["MESSAGE", CallTimedOut])]
)
def test_who_sends_a_request_is_given_what_comes_of_it(wire, status, came):
    agent, user = wire.agent(), User()
    request = Request("MESSAGE", "sip:alice@10.0.0.9")
    send_out_of_dialog(agent, request, NextHop("10.0.0.9", 5060), user=user)
    sent = wire.one()
    if status:
        wire.receive(wire.answer(sent, status))
    wire.over()
    assert user.came == came

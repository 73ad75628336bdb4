"""A request outside of any dialog that a handler answers (RFC 3261 §8.2)."""

import pytest

from sipparty.errors import BuildError, UnexpectedInput


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

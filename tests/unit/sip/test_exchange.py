"""One request outside of any dialog and its response, from both sides (RFC 3261 §8)."""

import pytest

from sipparty.errors import BuildError, CallTimedOut, UnexpectedInput
from sipparty.sip import Exchange, Request
from sipparty.sip.routing import NextHop


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


def send(wire, agent, request):
    exchange = Exchange(agent, request, NextHop("10.0.0.9")).send()
    return exchange, wire.one()


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
    exchange, second = send(wire, alice, request)
    assert len(second.lines("Via")) == 1
    assert second.via.branch != first.via.branch
    wire.receive(wire.answer(second, 200))
    assert exchange.state == "Answered"


@pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
def test_any_final_response_is_the_outcome(wire, alice, status):
    exchange, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 100))
    wire.receive(wire.answer(sent, status))
    wire.receive(wire.answer(sent, status))
    assert exchange.state == "Answered"
    assert [response.status for response in exchange.provisional] == [100]
    assert exchange.response.status == status
    assert exchange.wait(0).status == status
    wire.pass_until(40)
    assert wire.core.idle()


def test_no_response_is_an_error(wire, alice):
    exchange, _ = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.pass_until(32)
    assert exchange.state == "Failed"
    with pytest.raises(CallTimedOut):
        exchange.wait(0)
    assert wire.core.idle()


async def test_the_outcome_can_be_awaited(wire, alice):
    exchange, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 200))
    assert (await exchange).status == 200


def test_an_invite_may_be_cancelled(wire, alice):
    exchange, sent = send(wire, alice, Request("INVITE", "sip:bob@biloxi.com"))
    wire.receive(wire.answer(sent, 180))
    exchange.cancel()
    assert wire.starts() == ["CANCEL"]
    wire.receive(wire.answer(sent, 487))
    assert exchange.response.status == 487


def test_an_exchange_is_sent_once(wire, alice):
    exchange, sent = send(wire, alice, Request("OPTIONS", "sip:bob@biloxi.com"))
    with pytest.raises(UnexpectedInput):
        exchange.send()
    wire.receive(wire.answer(sent, 200))
    with pytest.raises(UnexpectedInput):
        exchange.cancel()


# ---------------------------------------------------------------- the answering side


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

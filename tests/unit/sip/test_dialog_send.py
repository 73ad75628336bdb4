"""Requests of any method inside a dialog, and what may not stand in a request-URI."""

import pytest

from sipparty.errors import BuildError, UnexpectedInput, UsageError
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import SimpleCall
from sipparty.trace import Recorder

PATIENCE = 10


class TalkativeCall(SimpleCall):
    methods = {**SimpleCall.methods, "INFO": "take_info"}

    def __init__(self, agent):
        self.infos = []
        super().__init__(agent)

    def take_info(self, transaction):
        self.infos.append(transaction.request)
        transaction.respond(transaction.request.response(200))


class TalkativeParty(NoMediaSimpleCallsParty):
    ClientDialog = ServerDialog = TalkativeCall


@pytest.fixture
def call(make_party):
    alice = make_party("alice@atlanta.com", TalkativeParty)
    bob = make_party("bob@biloxi.com", TalkativeParty)
    bob.listen(None, address="127.0.0.1")
    call = alice.invite(bob).wait(PATIENCE)
    call.peer = bob.calls[0]
    return call


@pytest.mark.parametrize("body", ["Lunch?", b"Lunch?"])
def test_a_request_inside_a_call_is_taken_by_the_peers_dialog(call, body):
    response = call.send("INFO", {"Content-Type": "text/plain"}, body).wait(PATIENCE)

    (request,) = call.peer.infos
    assert response.status == 200
    assert (request.body, str(request.content_type)) == (b"Lunch?", "text/plain")
    assert request.call_id == call.call_id
    assert request.to.tag == call.remote.tag
    assert call.state == call.peer.state == "InDialog"


def test_the_side_that_was_called_sends_too(call):
    assert call.peer.send("INFO").wait(PATIENCE).status == 200
    assert len(call.infos) == 1


def test_requests_are_in_order_and_the_call_still_ends(call):
    exchanges = [call.send("INFO") for _ in range(3)]
    assert [exchange.wait(PATIENCE).status for exchange in exchanges] == [200] * 3
    first, second, third = [request.cseq.number for request in call.peer.infos]
    assert (second, third) == (first + 1, first + 2)
    assert call.terminate().wait(PATIENCE).state == "Terminated"


def test_an_answer_that_refuses_does_not_touch_the_call(call):
    assert call.send("NOTHING").wait(PATIENCE).status == 501
    assert call.state == "InDialog"


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE"])
def test_a_method_with_a_verb_of_its_own_is_refused(call, method):
    with pytest.raises(UsageError, match=method):
        call.send(method)


def test_what_cannot_be_written_is_refused(call):
    with pytest.raises(BuildError):
        call.send("TWO WORDS")
    with pytest.raises(BuildError):
        call.send("INFO", {"Subject": "a\r\nb"})


def test_only_an_established_dialog_sends(call):
    call.terminate().wait(PATIENCE)
    with pytest.raises(UnexpectedInput, match="'INFO'"):
        call.send("INFO")


@pytest.mark.parametrize("rest", [";method=BYE", "?Subject=x", ";method=BYE?Subject=x"])
def test_a_request_uri_has_neither_headers_nor_method(make_party, rest):
    """RFC 3261 §19.1.5."""
    alice, bob = make_party("alice@atlanta.com"), make_party("bob@biloxi.com")
    bob.listen(None, address="127.0.0.1")
    uri = f"sip:bob@127.0.0.1:{bob.contact_uri.port}"
    with alice.engine.wire.tapped(Recorder()) as recorder:
        alice.invite(f"{uri}{rest}").wait(PATIENCE)
    first = next(iter(recorder)).data
    assert first.startswith(f"INVITE {uri} SIP/2.0\r\n".encode())
    assert b"Subject" not in first
    assert b"method" not in first


# ---------------------------------------------------------------- the other side is gone


@pytest.fixture
def established(wire):
    """A call that the test, as the peer, has answered."""
    alice = wire.agent("sip:alice@atlanta.com")
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    return call


@pytest.mark.parametrize("status", [408, 481])
def test_a_dialog_that_the_peer_does_not_know_is_over(wire, established, status):
    """RFC 3261 §12.2.1.2."""
    exchange = established.send("INFO")
    wire.receive(wire.answer(wire.one(), status))
    assert exchange.response.status == status
    assert established.state == "TerminatingDialog"
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 481))
    assert established.state == "Error"
    assert established.last_error.status == status
    wire.over()


def test_a_peer_that_answers_nothing_is_gone(wire, established):
    exchange = established.send("INFO")
    wire.pass_until(32)
    assert exchange.error.status == 408
    assert established.state == "TerminatingDialog"
    assert wire.starts()[-1] == "BYE"
    wire.over()
    assert established.state == "Error"


def test_it_is_over_once_though_two_requests_say_so(wire, established):
    for _ in range(2):
        established.send("INFO")
    for info in wire.sent():
        wire.receive(wire.answer(info, 481))
    assert wire.starts() == ["BYE"]
    wire.over()

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

"""Strangers who keep everybody busy that could answer the phone."""

import queue
import threading

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import CallRejected
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Limits, Request
from sipparty.sip.events import CallEnded, CallReceived

LOOPBACK = "127.0.0.1"
PATIENCE = 15


@pytest.fixture
def bob(make_party):
    """A party whose engine has two threads for handlers, and no patience with more."""
    engine = Engine(limits=Limits(max_handlers=2, handler_patience=0))
    party = make_party("bob@biloxi.com", NoMediaSimpleCallsParty, engine=engine)
    yield party.listen(None, address=LOOPBACK)
    engine.close()


def test_a_call_that_no_handler_has_time_for_is_answered(bob, make_party):
    """Two strangers call, and the handler blocks on each, for as long as they like. Who calls then
    rang for three minutes in silence; they are told to come back, and nobody is told of them.
    """
    let, entered, ended = threading.Event(), queue.Queue(), queue.Queue()

    def decide(event):
        entered.put(event.call.call_id)
        assert let.wait(PATIENCE)
        event.call.reject(486)

    bob.on(CallReceived, decide)
    bob.on(CallEnded, lambda event: ended.put(event.call.call_id))
    strangers = make_party("mallory@atlanta.com")
    held = [strangers.invite(bob) for _ in range(2)]
    assert {entered.get(timeout=PATIENCE) for _ in held} == {call.call_id for call in held}
    call = make_party("alice@atlanta.com").invite(bob)
    with pytest.raises(CallRejected) as caught:
        call.wait(PATIENCE)
    assert caught.value.status == 503
    assert caught.value.response["Retry-After"] == "10"
    let.set()
    assert {ended.get(timeout=PATIENCE) for _ in held} == {one.call_id for one in held}
    assert ended.empty()
    assert entered.empty()
    assert not bob.calls


def test_a_request_that_no_handler_has_time_for_is_answered(bob, make_party):
    let, entered = threading.Event(), threading.Semaphore(0)

    def answer(event):
        entered.release()
        assert let.wait(PATIENCE)
        event.incoming.respond(200)

    bob.on_request("MESSAGE", answer)
    alice = make_party("alice@atlanta.com")
    place = f"{LOOPBACK}:{bob.contact_uri.port}"
    ask = Request("MESSAGE", "sip:bob@biloxi.com")
    held = [alice.send(ask, place) for _ in range(2)]
    assert all(entered.acquire(timeout=PATIENCE) for _ in held)
    assert alice.send(ask, place).wait(PATIENCE).status == 503
    let.set()
    assert [one.wait(PATIENCE).status for one in held] == [200, 200]

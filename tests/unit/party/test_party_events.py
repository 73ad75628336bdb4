"""What a party hears of, and what its handlers decide."""

import asyncio
import queue
import threading

import pytest

from sipparty.errors import CallRejected, CallUnreachable
from sipparty.fsm import UnexpectedInput
from sipparty.sip import Part
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallProgressed,
    CallReceived,
    Event,
)

LOOPBACK = "127.0.0.1"
PATIENCE = 10


class TestDeciding:
    """A handler for `CallReceived` says what becomes of a call."""

    def test_without_one_calls_are_answered(self, alice, bob, events):
        happened = events(alice, CallProgressed, CallEstablished)
        call = alice.invite(bob).wait(5)
        assert happened.next(CallProgressed).response.status == 180
        assert happened.next().call is call

    def test_ring_and_accept(self, alice, bob, events):
        progress = events(alice, CallProgressed)
        calls = events(bob, CallReceived)
        call = alice.invite(bob)
        theirs = calls.next().call
        theirs.ring()
        assert progress.next().response.status == 180
        theirs.ring(183)
        assert progress.next().response.status == 183
        assert call.state == theirs.state == "InitiatingDialog"
        theirs.accept()
        assert call.wait(5).state == "InDialog"
        with pytest.raises(UnexpectedInput):
            theirs.accept()

    @pytest.mark.parametrize(
        ("arguments", "status", "reason"),
        [((), 486, "Busy Here"), ((603,), 603, "Decline"), ((480, "At Tea"), 480, "At Tea")],
    )
    def test_reject(self, alice, bob, arguments, status, reason):
        bob.on(CallReceived, lambda event: event.call.reject(*arguments))
        call = alice.invite(bob)
        with pytest.raises(CallRejected) as caught:
            call.wait(5)
        assert (caught.value.status, caught.value.reason) == (status, reason)

    def test_a_coroutine_decides(self, alice, bob):
        @bob.on(CallReceived)
        async def answer(event):
            event.call.ring()
            await asyncio.sleep(0)
            event.call.accept()

        assert alice.invite(bob).wait(5).state == "InDialog"

    def test_busy(self, alice, bob):
        bob.configure(max_calls=1)
        call = alice.invite(bob).wait(5)
        with pytest.raises(CallRejected, match="486"):
            alice.invite(bob).wait(5)
        call.terminate().wait(5)
        assert alice.invite(bob).wait(5).state == "InDialog"

    def test_a_call_that_brings_what_is_not_accepted(self, alice, bob, events):
        where = Part("application/pidf+xml", "<presence/>")
        with pytest.raises(CallRejected, match="415"):
            alice.invite(bob, parts=[where]).wait(5)
        bob.configure(accepts=("application/sdp", "application/PIDF+xml"), auto_answer=True)
        calls = events(bob, CallReceived)
        assert alice.invite(bob, parts=[where]).wait(5).state == "InDialog"
        assert calls.next().request.parts == (where,)

    def test_a_handler_that_fails_refuses_the_call(self, alice, bob, caplog):
        def fail(event):
            raise ZeroDivisionError

        bob.on(CallReceived, fail)
        with pytest.raises(CallRejected, match="500"):
            alice.invite(bob).wait(5)
        assert "raised on CallReceived" in caplog.text
        assert bob.calls == []

    def test_one_that_fails_after_it_has_decided_changes_nothing(self, alice, bob, caplog, events):
        ended = events(bob, CallEnded)

        def fail(event):
            event.call.accept()
            raise ZeroDivisionError

        bob.on(CallReceived, fail)
        call = alice.invite(bob).wait(5)
        call.terminate().wait(5)
        assert ended.next().error is None
        assert "ZeroDivisionError" in caplog.text

    def test_one_of_two_that_fails_leaves_it_to_the_other(self, alice, bob, caplog, events):
        def fail(event):
            raise ZeroDivisionError

        bob.on(CallReceived, fail)
        calls = events(bob, CallReceived)
        call = alice.invite(bob)
        theirs = calls.next().call
        theirs.accept()
        assert call.wait(5).state == "InDialog"

    @pytest.mark.parametrize("before", [True, False])
    def test_who_looks_at_every_event_decides_nothing(self, alice, make_party, before):
        bob, seen = make_party("bob@biloxi.com"), []
        if before:
            bob.on(Event, seen.append)
        bob.listen(None, address=LOOPBACK)
        if not before:
            bob.on(Event, seen.append)
        assert alice.invite(bob).wait(5).state == "InDialog"

    @pytest.mark.parametrize("before", [True, False])
    def test_auto_answer_can_be_kept(self, alice, make_party, events, before):
        bob = make_party("bob@biloxi.com")
        if before:
            bob.configure(auto_answer=True)
        calls = events(bob, CallReceived)
        bob.configure(auto_answer=True).listen(None, address=LOOPBACK)
        assert alice.invite(bob).wait(5).state == "InDialog"
        assert calls.next()


class TestEvents:
    def test_their_order(self, alice, bob, events):
        kinds = (CallReceived, CallProgressed, CallEstablished, CallEnded)
        bob.configure(auto_answer=True)
        ours, theirs = events(alice, *kinds), events(bob, *kinds)
        call = alice.invite(bob).wait(5)
        assert theirs.next(CallEstablished).call is bob.calls[0]
        call.terminate().wait(5)
        seen = [ours.next() for _ in range(3)]
        assert [type(event) for event in seen] == [CallProgressed, CallEstablished, CallEnded]
        assert {event.call for event in seen} == {call}
        assert seen[-1].error is None
        assert type(theirs.next()) is CallEnded

    def test_a_failed_call_says_why(self, alice, deaf_port, events):
        happened = events(alice, CallEnded)
        call = alice.invite("bob@b.com", proxy=f"{LOOPBACK}:{deaf_port}")
        error = happened.next().error
        assert isinstance(error, CallUnreachable)
        assert call.last_error is error

    def test_a_base_class_hears_all(self, alice, bob, events):
        happened = events(alice, Event)
        alice.invite(bob).wait(5)
        assert type(happened.next()) is CallProgressed
        assert type(happened.next()) is CallEstablished

    def test_several_handlers_of_one_event_run_in_the_order_they_were_given(self, alice, bob):
        seen, done = [], threading.Event()
        for number in range(5):
            alice.on(CallEstablished, lambda event, number=number: seen.append(number))
        alice.on(CallEstablished, lambda event: done.set())
        alice.invite(bob).wait(5)
        assert done.wait(PATIENCE)
        assert seen == [0, 1, 2, 3, 4]

    def test_handlers_of_one_call_keep_their_order_and_delay_no_other(self, alice, bob):
        inside, let = threading.Event(), threading.Event()
        seen, ended = [], threading.Event()

        placed = threading.Event()

        def established(event):
            assert placed.wait(PATIENCE)
            if event.call is first:
                inside.set()
                assert let.wait(PATIENCE)
            seen.append(("established", event.call))

        def over(event):
            seen.append(("ended", event.call))
            ended.set()

        first = None
        alice.on(CallEstablished, established)
        alice.on(CallEnded, over)
        first = alice.invite(bob)
        placed.set()
        first.wait(5)
        assert inside.wait(PATIENCE)
        first.terminate().wait(5)
        second = alice.invite(bob).wait(5)  # the engine, and other calls, go on
        second.terminate().wait(5)
        assert ended.wait(PATIENCE)
        assert seen == [("established", second), ("ended", second)]
        ended.clear()
        let.set()
        assert ended.wait(PATIENCE)
        assert seen[2:] == [("established", first), ("ended", first)]

    def test_a_handler_may_use_any_verb_and_wait(self, alice, bob):
        done = threading.Event()

        @bob.on(CallEstablished)
        def hang_up(event):
            event.call.terminate().wait(5)  # on a thread of its own, so it may block
            done.set()

        call = alice.invite(bob)
        assert done.wait(PATIENCE)
        assert call.waitForStateCondition(call.settled, 5) in ("InDialog", "Terminated")

    def test_a_closed_party_hears_nothing_more(self, alice, bob, events):
        happened = events(alice, CallEnded)
        alice.invite(bob).wait(5)
        alice.close()
        assert happened.next()
        assert happened.empty()


class TestRegistering:
    """`on` and `off`."""

    def test_handlers_of_one_call(self, alice, bob, events):
        ended, seen = events(alice, CallEnded), queue.SimpleQueue()
        first, second = alice.invite(bob).wait(5), alice.invite(bob).wait(5)
        first.on(CallEnded, seen.put)
        second.terminate().wait(5)
        first.terminate().wait(5)
        assert {ended.next().call, ended.next().call} == {first, second}
        assert seen.get(timeout=PATIENCE).call is first
        assert seen.empty()

    @pytest.mark.parametrize("kind", ["plain", "async"])
    def test_a_call_alone_may_have_handlers(self, alice, bob, kind):
        call, seen, done = alice.invite(bob).wait(5), [], threading.Event()

        def plain(event):
            seen.append(event)
            done.set()

        async def coroutine(event):
            plain(event)

        handler = plain if kind == "plain" else coroutine
        assert call.on(Event)(handler) is handler
        call.terminate().wait(5)
        assert done.wait(PATIENCE)
        assert [type(event) for event in seen] == [CallEnded]

    def test_no_more_after_off(self, alice, bob, events):
        ended, seen = events(alice, CallEnded), []
        call = alice.invite(bob).wait(5)
        call.on(CallEnded, seen.append)
        call.off(CallEnded, seen.append)
        call.off(CallEnded, print)  # it never was there
        call.terminate().wait(5)
        assert ended.next()
        assert seen == []

    def test_what_is_no_class_of_events(self, alice):
        for method in (alice.on, alice.off):
            with pytest.raises(TypeError, match="not 'CallReceived': give CallReceived, the class"):
                method("CallReceived", print)
            with pytest.raises(TypeError, match="such as CallReceived, not 5"):
                method(5, print)
            with pytest.raises(TypeError, match=r"the class of events first: \w+\(CallReceived, p"):
                method(print, print)
        with pytest.raises(TypeError, match=r"on\(CallReceived, print\), or @on\(CallReceived\)"):
            alice.on(print)
        with pytest.raises(TypeError, match="the class of events first"):
            alice.on(ValueError, print)
        with pytest.raises(TypeError, match="a function that takes the event, not 5"):
            alice.on(CallReceived, 5)
        assert not alice.observed

    def test_what_is_no_method(self, alice):
        with pytest.raises(TypeError, match='such as "MESSAGE", not <built-in function print>'):
            alice.on_request(print)
        with pytest.raises(TypeError, match="a function that takes the event"):
            alice.on_request("MESSAGE", 5)

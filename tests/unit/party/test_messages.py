"""Parties that send and take instant messages (RFC 3428, RFC 3994)."""

import asyncio
import threading

import pytest

from sipparty import (
    CallRejected,
    ComposingChanged,
    Event,
    MessageReceived,
    MessageSent,
    ParseError,
    UsageError,
)

from ...conftest import LOOPBACK, PATIENCE


class TestTaking:
    def test_a_message_is_answered_when_its_handler_has_returned(self, alice, bob):
        inside, let = threading.Event(), threading.Event()
        texts = []

        @bob.on(MessageReceived)
        def take(event):
            inside.set()
            assert let.wait(PATIENCE)
            texts.append(event.text)

        message = alice.message(bob, "Lunch?")
        assert inside.wait(PATIENCE)
        assert message.state == "Sent"
        let.set()
        assert message.wait(PATIENCE).response.status == 200
        assert texts == ["Lunch?"]

    @pytest.mark.parametrize("kind", ["plain", "async", "lambda"])
    @pytest.mark.parametrize(("answer", "status"), [(None, 200), (603, 603), (202, 202)])
    def test_handlers_of_all_kinds_decide(self, alice, bob, kind, answer, status):
        def plain(event):
            if answer is not None:
                event.respond(answer)

        async def coroutine(event):
            await asyncio.sleep(0)
            plain(event)

        handler = {"plain": plain, "async": coroutine, "lambda": lambda event: coroutine(event)}
        bob.on(MessageReceived, handler[kind])
        message = alice.message(bob, "Lunch?")
        if status < 300:
            message.wait(PATIENCE)
        else:
            with pytest.raises(CallRejected, match=str(status)):
                message.wait(PATIENCE)
        assert message.response.status == status

    def test_the_last_of_several_handlers_answers(self, alice, bob):
        bob.on(MessageReceived, lambda event: None)
        bob.on(MessageReceived, lambda event: event.reject(486))
        with pytest.raises(CallRejected, match="486"):
            alice.message(bob, "Lunch?").wait(PATIENCE)

    @pytest.mark.parametrize("kind", ["plain", "async"])
    def test_a_handler_that_fails_answers_500(self, alice, bob, caplog, kind):
        def plain(event):
            raise ZeroDivisionError

        async def coroutine(event):
            raise ZeroDivisionError

        bob.on(MessageReceived, plain if kind == "plain" else coroutine)
        with pytest.raises(CallRejected, match="500"):
            alice.message(bob, "Lunch?").wait(PATIENCE)
        assert "raised on MessageReceived" in caplog.text

    def test_nobody_takes_messages(self, alice, bob):
        bob.on(Event, lambda event: None)  # who looks at everything decides on nothing
        with pytest.raises(CallRejected, match="405"):
            alice.message(bob, "Lunch?").wait(PATIENCE)

    def test_nobody_takes_messages_any_more(self, alice, bob):
        def take(event):
            raise AssertionError

        bob.on(MessageReceived, take)
        bob.off(MessageReceived, take)
        with pytest.raises(CallRejected, match="405"):
            alice.message(bob, "Lunch?").wait(PATIENCE)

    def test_a_handler_given_before_listening(self, alice, make_party, events):
        bob = make_party("bob@biloxi.com")
        happened = events(bob, MessageReceived)
        bob.listen(None, address=LOOPBACK)
        alice.message(bob, "Lunch?").wait(PATIENCE)
        assert happened.next().text == "Lunch?"

    def test_a_handler_of_the_method_goes_before(self, alice, bob):
        bob.on_request("MESSAGE", lambda event: event.incoming.respond(202))
        bob.on(MessageReceived, lambda event: None)
        assert alice.message(bob, "Lunch?").wait(PATIENCE).response.status == 202

    def test_what_is_accepted(self, alice, bob):
        bob.on(MessageReceived, lambda event: None)
        with pytest.raises(CallRejected, match="415"):
            alice.message(bob, body=b"{}", content_type="application/json").wait(PATIENCE)
        bob.message_types = ["application/*"]
        alice.message(bob, body=b"{}", content_type="application/json").wait(PATIENCE)
        with pytest.raises(ParseError):
            bob.message_types = ["text"]
        with pytest.raises(TypeError):
            bob.message_types = "text/plain"


class TestSending:
    def test_awaited(self, alice, bob):
        bob.on(MessageReceived, lambda event: None)

        async def send():
            return (await alice.message(bob, "Lunch?")).response.status

        assert asyncio.run(send()) == 200

    def test_its_outcome_is_an_event(self, alice, bob, events):
        happened = events(alice, MessageSent)
        bob.on(MessageReceived, lambda event: None)
        message = alice.message(bob, "Lunch?")
        assert happened.next().message is message

    def test_headers_and_a_time_to_live(self, alice, bob, events):
        happened = events(bob, MessageReceived)
        alice.message(bob, "Lunch?", expires=60.5, headers={"Subject": "food"}).wait(PATIENCE)
        request = happened.next().request
        assert (request.expires, request["Subject"]) == (61, "food")
        assert request["Date"].time

    def test_a_large_one_goes_by_tcp(self, alice, make_party, events):
        bob = make_party("bob@biloxi.com")
        bob.message_types = ["text/*"]
        happened = events(bob, MessageReceived)
        bob.listen(None, address=LOOPBACK, transport="TCP")
        text = "x" * 5000
        alice.message("bob@biloxi.com", text, proxy=f"{LOOPBACK}:{bob.contact_uri.port}").wait(5)
        event = happened.next()
        assert (event.text, event.incoming.flow.transport) == (text, "TCP")

    @pytest.mark.parametrize(
        ("give", "error", "words"),
        [
            (lambda a, b: a.message(b), UsageError, "nothing to be sent"),
            (lambda a, b: a.message(b, "x", expires="soon"), UsageError, "in seconds"),
            (lambda a, b: a.message(b, "x", expires=0), UsageError, "in seconds"),
            (lambda a, b: a.message("sip:", "x"), ParseError, "URI"),
            (lambda a, b: a.message(b, "x", headers={"Via": "y"}), UsageError, "transport writes"),
        ],
    )
    def test_mistakes_are_answered_at_once(self, alice, bob, give, error, words):
        with pytest.raises(error, match=words):
            give(alice, bob)

    def test_closing_ends_what_waits(self, alice, bob):
        let = threading.Event()
        bob.on(MessageReceived, lambda event: let.wait(PATIENCE))
        first, second = alice.message(bob, "1"), alice.message(bob, "2")
        alice.CLOSE_TIMEOUT = 0.0
        alice.close()
        assert second.state == "Error"
        assert first.state == "Sent"  # whoever has it will answer
        let.set()


class TestInsideACall:
    def test_handlers_of_the_call(self, alice, bob):
        call = alice.invite(bob).wait(PATIENCE)
        [theirs] = bob.calls
        texts = []
        theirs.on(MessageReceived, lambda event: texts.append(event.text))
        call.message("Can you hear me?").wait(PATIENCE)
        assert texts == ["Can you hear me?"]
        with pytest.raises(CallRejected, match="405"):
            alice.message(bob, "outside").wait(PATIENCE)

    def test_events_of_the_call(self, alice, bob):
        call = alice.invite(bob).wait(PATIENCE)
        [theirs] = bob.calls
        with theirs.events(MessageReceived) as stream:
            message = call.message("Can you hear me?")
            assert stream.next(PATIENCE).text == "Can you hear me?"
            assert message.wait(PATIENCE).response.status == 200

    def test_a_handler_of_the_party_has_the_call(self, alice, bob, events):
        happened = events(bob, MessageReceived)
        call = alice.invite(bob).wait(PATIENCE)
        call.message("Can you hear me?").wait(PATIENCE)
        assert [happened.next().call] == bob.calls


class TestComposing:
    def test_outside_of_calls_and_inside(self, alice, bob, events):
        happened = events(bob, ComposingChanged, MessageReceived)
        writing = alice.composing(bob)
        assert happened.next().active
        alice.message(bob, "Lunch?").wait(PATIENCE)
        assert not happened.next().active
        assert happened.next().text == "Lunch?"
        assert writing.wait(PATIENCE).state == "Terminated"
        call = alice.invite(bob).wait(PATIENCE)
        writing = call.composing()
        event = happened.next()
        assert (event.active, event.call) == (True, bob.calls[0])
        writing.stop()
        assert not happened.next().active

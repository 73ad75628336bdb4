"""Why a call ends: Reason in and out (RFC 3326), and Retry-After."""

import pytest

from sipparty.errors import BuildError, CallRejected
from sipparty.sip import Message, SimpleCall
from sipparty.sip.dialog.record import MAX_REASONS, Cause, Reason, read_reasons
from sipparty.sip.events import CallEnded


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


def reasons(message):
    return message.lines("Reason")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # The examples of §2.
        (
            'SIP ;cause=200 ;text="Call completed elsewhere"',
            [("SIP", 200, "Call completed elsewhere")],
        ),
        ('Q.850 ;cause=16 ;text="Terminated"', [("Q.850", 16, "Terminated")]),
        ("q.850;cause=16, sip;cause=480", [("Q.850", 16, ""), ("SIP", 480, "")]),
        ("SIP", [("SIP", None, "")]),
        ("FreeTEL;cause=1", [("FreeTEL", 1, "")]),
        ('SIP;text="said \\"so\\""', [("SIP", None, 'said "so"')]),
        ("SIP;cause=99", []),
        ("SIP;cause=700", []),
        ("SIP;cause=two", []),
        ("SIP;cause=²", []),
        ("Q.850;cause=128", []),
        ("Q.850;cause=00000016", []),
        (f'SIP;text="{"x" * 501}"', [("SIP", None, "")]),
        ("@", []),
        ("", []),
    ],
)
def test_what_a_reason_says(text, read):
    message = Message.parse(
        f"BYE sip:a@b.com SIP/2.0\r\nReason: {text}\r\n\r\n".encode("utf-8", "surrogateescape")
    )
    assert [tuple(one) for one in read_reasons(message)] == read


def test_reasons_without_end_are_not_read():
    text = ", ".join(f"P{number};cause=1" for number in range(50))
    message = Message.parse(f"BYE sip:a@b.com SIP/2.0\r\nReason: {text}\r\n\r\n".encode())
    assert len(read_reasons(message)) == MAX_REASONS


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason("Q.850", 16), "Q.850;cause=16"),
        (
            Reason("SIP", 200, "Call completed elsewhere"),
            'SIP;cause=200;text="Call completed elsewhere"',
        ),
        (Reason("SIP", None, 'a "b"'), 'SIP;text="a \\"b\\""'),
    ],
)
def test_how_a_reason_is_written(reason, text):
    assert str(reason) == text


# ---------------------------------------------------------------- in


@pytest.mark.parametrize(
    ("reason", "protocol", "number", "words"),
    [
        ("SIP;cause=486", "SIP", 486, "The other side ended the call."),
        ('Q.850;cause=16;text="Bye"', "Q.850", 16, "The other side ended the call: Bye."),
        ("Q.850;cause=18, SIP;cause=480", "SIP", 480, "The other side ended the call."),
        (None, "", None, "The other side ended the call."),
    ],
)
def test_a_bye_says_why(wire, bob, reason, protocol, number, words):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    headers = [] if reason is None else [f"Reason: {reason}"]
    wire.receive(wire.within(answer, "BYE", headers=headers))
    assert (call.cause.protocol, call.cause.cause, call.cause.text) == (protocol, number, words)
    if reason and "18" in reason:
        assert (call.cause.status, call.cause.q850) == (480, 18)
    ended = wire.happened[-1]
    assert isinstance(ended, CallEnded)
    assert ended.cause == call.cause


@pytest.mark.parametrize(
    ("reason", "elsewhere"),
    [
        ('SIP;cause=200;text="Call completed elsewhere"', True),
        ("Q.850;cause=26,SIP;cause=200", True),
        ("SIP;cause=487", False),
        (None, False),
    ],
)
def test_a_call_that_is_answered_elsewhere_is_not_missed(wire, bob, reason, elsewhere):
    """§3.1: the CANCEL of a proxy that forks."""
    call = wire.invited(body=b"theirs")
    assert not call.answered_elsewhere
    headers = [] if reason is None else [f"Reason: {reason}"]
    wire.receive(wire.request("CANCEL", headers=headers))
    assert call.answered_elsewhere is elsewhere


def test_a_call_that_was_up_was_answered_here(wire, bob):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "BYE", headers=["Reason: SIP;cause=200"]))
    assert (call.cause.status, call.answered_elsewhere) == (200, False)


def test_a_refusal_says_why_in_the_terms_of_a_gateway(wire, alice):
    """RFC 6432 §4: Q.850 in responses."""
    call, invite = wire.invite(alice)
    headers = [("Reason", "Q.850;cause=17;text=busy"), ("Retry-After", "20 (lunch)")]
    wire.receive(wire.answer(invite, 486, headers=headers))
    assert call.cause == Cause(486, "Busy Here", "The other side answered 486 Busy Here.", 17)
    assert (call.cause.protocol, call.cause.cause) == ("SIP", 486)
    assert isinstance(call.last_error, CallRejected)
    assert call.last_error.retry_after == 20
    with pytest.raises(CallRejected) as raised:
        call.wait(0)
    assert raised.value.retry_after == 20


def test_a_refusal_without_retry_after(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 486))
    assert call.last_error.retry_after is None


# ---------------------------------------------------------------- out


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("lunch", "SIP;text=lunch"),
        ("time for lunch", 'SIP;text="time for lunch"'),
        (Reason("Q.850", 16, "Normal call clearing"), 'Q.850;cause=16;text="Normal call clearing"'),
    ],
)
def test_bye_cancel_and_refusal_say_why(wire, alice, reason, text):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180))
    call.terminate(reason=reason, headers=[("X-Case", "7")])
    cancel = wire.one()
    assert cancel.method == "CANCEL"
    assert [one.replace('"', "") for one in reasons(cancel)] == [text.replace('"', "")]
    assert cancel.lines("X-Case") == ["7"]
    assert wire.core.transactions.clients  # it matches its INVITE still
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(invite, 487))
    wire.sent()
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    call.terminate(reason=reason)
    bye = wire.one()
    assert [one.replace('"', "") for one in reasons(bye)] == [text.replace('"', "")]
    taken = wire.agent(media=True)
    assert taken
    call = wire.invited(body=b"theirs")
    call.terminate(reason=reason)
    assert [one.replace('"', "") for one in reasons(wire.one())] == [text.replace('"', "")]


def test_a_cancel_that_waits_for_a_provisional_says_why(wire, alice):
    call, invite = wire.invite(alice)
    call.terminate(reason="too late")
    assert wire.sent() == []
    wire.receive(wire.answer(invite, 100))
    assert reasons(wire.one()) == ['SIP;text="too late"']


def test_no_reason_is_sent_where_none_is_given(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    call.terminate()
    assert reasons(wire.one()) == []


def test_a_bye_that_an_error_has_us_send_says_why(wire, alice):
    """§3.2."""
    _, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"bad"))
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert reasons(bye) == ['SIP;cause=488;text="Not Acceptable Here"']


def test_a_reason_that_cannot_be_sent_is_refused(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    for wrong in (Reason("no token", 1), "two\r\nlines"):
        with pytest.raises(BuildError):
            call.terminate(reason=wrong)
    assert call.state == "InDialog"


def test_who_refuses_says_when_to_try_again(wire, bob):
    call = wire.invited(body=b"theirs")
    call.reject(503, retry_after=30)
    refusal = wire.one()
    assert (refusal.status, refusal.lines("Retry-After")) == (503, ["30"])


# ---------------------------------------------------------------- who has ended it


def test_early_media_that_cannot_be_taken_is_an_end_by_us(wire, alice):
    call, invite = wire.invite(alice)
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    wire.receive(wire.answer(invite, 183, headers=reliable, body=b"bad"))
    assert call.ended_by == "local"


def test_media_that_cannot_be_opened_is_an_end_by_us(wire, alice):
    def open_none(dialog, flow):
        raise OSError("There is no sound card.")

    alice.open_session = open_none
    call = SimpleCall(alice)
    call.invite("sip:bob@10.0.0.9")
    assert wire.sent() == []
    assert (call.state, call.ended_by) == ("Error", "local")
    assert "no sound card" in call.cause.text


def test_a_bye_that_crosses_ours_does_not_say_why_we_hung_up(wire, bob):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    call.terminate()
    wire.receive(wire.within(answer, "BYE", headers=['Reason: Q.850;cause=16;text="lunch"']))
    assert (call.state, call.ended_by) == ("Terminated", "local")
    assert call.cause.text == "The call was ended here."


def test_a_refusal_that_cannot_be_sent_is_no_cause(wire, bob):
    call = wire.invited(body=b"theirs")
    with pytest.raises(BuildError):
        call.reject(486, headers=[("Via", "mine")])
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "BYE"))
    assert call.cause == Cause(None, "", "The other side ended the call.")


def test_headers_of_a_refusal_may_be_a_mapping(wire, bob):
    call = wire.invited(body=b"theirs")
    call.reject(486, headers={"Subject": "lunch"}, retry_after=60)
    refusal = wire.one()
    assert (refusal.subject, refusal.lines("Retry-After")) == ("lunch", ["60"])


def test_a_reason_is_words_or_a_reason(wire, bob):
    call = wire.invited(body=b"theirs")
    with pytest.raises(TypeError, match="reason is words"):
        call.terminate(reason=16)
    assert call.state == "InitiatingDialog"

"""Verbs that take headers and media, and what a call says of itself."""

import pytest

from sipparty.errors import BuildError, UsageError
from sipparty.sip.dialog.record import Cause, stated_cause
from sipparty.sip.message import Message


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


SUBJECT = [("Subject", "lunch")]

# ---------------------------------------------------------------- headers


def test_each_verb_of_the_side_that_is_called_takes_headers(wire, talker):
    call = wire.invited(body=b"theirs")
    call.ring(183, headers=SUBJECT)
    assert wire.one()["Subject"] == "lunch"
    call.accept(headers={"Subject": "dinner"}.items())
    answer = wire.one()
    assert (answer.status, answer["Subject"]) == (200, "dinner")
    wire.acknowledge(answer)
    call.terminate(headers=SUBJECT, reason='time "is" up')
    bye = wire.one()
    assert bye["Subject"] == "lunch"
    assert bye.lines("Reason") == [r'SIP;text="time \"is\" up"']


def test_a_call_that_is_refused_by_its_end_says_why(wire, talker):
    call = wire.invited(body=b"theirs")
    call.terminate(reason="closing")
    refusal = wire.one()
    assert (refusal.status, refusal.lines("Reason")) == (603, ['SIP;text="closing"'])


@pytest.mark.parametrize("verb", ["ring", "accept", "reject", "terminate"])
def test_a_header_that_cannot_be_sent_changes_nothing(wire, talker, verb):
    call = wire.invited(body=b"theirs")
    with pytest.raises(BuildError):
        getattr(call, verb)(headers=[("Subject", "a\r\nB: c")])
    assert wire.sent() == []
    assert call.state == "InitiatingDialog"
    call.accept()
    assert wire.one().status == 200


def test_a_reason_that_cannot_be_sent(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200))
    with pytest.raises(BuildError):
        call.terminate(reason="a\nb")
    assert call.state == "InDialog"


# ---------------------------------------------------------------- early media


@pytest.mark.parametrize("prepared", [True, False])
def test_early_media_is_in_the_183_and_again_in_the_200(wire, talker, prepared):
    call = wire.invited(body=b"theirs")
    if prepared:
        call.prepare()
    call.ring(183, media=True)
    progress = wire.one()
    assert (progress.status, progress.body) == (183, b"answer to theirs")
    assert progress.lines("Content-Type") == ["application/sdp"]
    assert wire.medias[0].done == ["answer", "start"]
    call.accept()
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer to theirs")
    wire.acknowledge(answer)
    assert wire.medias[0].done == ["answer", "start", "start"]


def test_a_response_without_a_body_names_no_type(wire, talker):
    """RFC 3261 §20.15: Content-Type is for a body that is there."""
    call = wire.invited(body=b"theirs")
    call.prepare()
    call.ring()
    assert call.session is not None
    ringing = wire.one()
    assert (ringing.status, ringing.body) == (180, b"")
    assert "Content-Type" not in ringing


def test_the_session_hears_that_it_is_early(wire, talker):
    heard = []
    call = wire.invited(body=b"theirs")
    call.prepare()
    wire.medias[0].start = lambda early=False: heard.append(early)
    call.ring(183, media=True)
    call.accept()
    wire.sent()
    assert heard == [True]
    answer_tag = call.dialog_state.local_tag
    wire.receive(
        wire.request("ACK", to=f"<sip:bob@biloxi.com>;tag={answer_tag}", branch="z9hG4bKack")
    )
    assert heard == [True, False]


def test_it_begins_anew_once_the_caller_has_shown_to_be_there(wire, talker):
    call = wire.invited(body=b"theirs")
    call.ring(183, media=True)
    progress = wire.one()
    for number in (2, 3):
        wire.receive(wire.within(progress, "OPTIONS", number))
    assert wire.medias[0].done == ["answer", "start", "start"]


def test_early_media_is_said_again_each_minute(wire, talker):
    call = wire.invited(body=b"theirs")
    call.ring(183, media=True)
    wire.sent()
    wire.pass_until(60)
    assert wire.sent()[-1].body == b"answer to theirs"


def test_an_offer_of_ours_is_in_no_response_that_may_be_lost(wire, talker):
    """RFC 3261 §13.2.1: an offer in a provisional response has to be reliable."""
    call = wire.invited()
    call.ring(183, media=True)
    assert wire.one().body == b""
    call.accept()
    assert wire.one().body == b"offer"


def test_media_that_cannot_be_agreed_on_refuses_the_call(wire, talker):
    call = wire.invited(body=b"bad")
    call.ring(183, media=True)
    assert wire.one().status == 488
    assert call.state == "Error"


def test_a_party_without_media_just_rings(wire):
    wire.agent()
    call = wire.invited(body=b"theirs")
    call.ring(183, media=True)
    progress = wire.one()
    assert (progress.status, progress.body) == (183, b"")


def test_options_of_the_session_are_given_when_the_call_is_accepted(wire, talker):
    seen = []
    opened = talker.open_session

    def open_session(call, flow):
        seen.append(getattr(call, "media", None))
        return opened(call, flow)

    talker.open_session = open_session
    call = wire.invited(body=b"theirs")
    call.accept(media={"play": "welcome.wav"})
    assert seen == [{"play": "welcome.wav"}]
    other = wire.invited(body=b"theirs", call_id="c2", branch="z9hG4bKc2")
    other.ring(183, media=True)
    with pytest.raises(UsageError, match="open already"):
        other.accept(media={})
    other.accept()
    assert other.state == "InDialog"


# ---------------------------------------------------------------- what a call says of itself


def test_a_call_that_was_taken(wire, alice):
    call, invite = wire.invite(alice)
    assert (call.duration, call.ended_by, call.cause) == (0.0, None, None)
    wire.pass_until(2)
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(5)
    wire.receive(wire.answer(invite, 200))
    wire.pass_until(15)
    assert call.duration == 10
    call.terminate()
    wire.receive(wire.answer(wire.sent()[-1], 200))
    wire.pass_until(30)
    assert call.duration == 10
    assert call.ended_by == "local"
    assert call.cause == Cause(None, "", "The call was ended here.")
    assert [(step.time, step.state, step.what) for step in call.steps] == [
        (0, "InitiatingDialog", "invite"),
        (2, "InitiatingDialog", "provisional"),
        (5, "InDialog", "success"),
        (15, "TerminatingDialog", "terminate"),
        (15, "Terminated", "ended"),
    ]


def test_progress_without_end_is_one_step(wire, alice):
    call, invite = wire.invite(alice)
    for _ in range(100):
        wire.receive(wire.answer(invite, 180))
        wire.receive(wire.answer(invite, 183))
    assert len(call.steps) == 2


@pytest.mark.parametrize(
    ("status", "by", "cause"),
    [
        (486, "remote", Cause(486, "Busy Here", "The other side answered 486 Busy Here.")),
        (
            None,
            "timeout",
            Cause(408, "Request Timeout", "10.0.0.9:5060 did not answer within 32 s."),
        ),
    ],
)
def test_a_call_that_failed(wire, alice, status, by, cause):
    call, invite = wire.invite(alice)
    if status:
        wire.receive(wire.answer(invite, status))
    else:
        wire.pass_until(40)
    assert (call.ended_by, call.cause, call.duration) == (by, cause, 0.0)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (None, Cause(None, "", "The other side ended the call.")),
        (
            'SIP ;cause=200 ;text="Call completed elsewhere"',
            Cause(
                200,
                "Call completed elsewhere",
                "The other side ended the call: Call completed elsewhere.",
            ),
        ),
        ("Q.850;cause=16", Cause(None, "", "The other side ended the call.", 16)),
        ("SIP;cause=999999;text=", Cause(None, "", "The other side ended the call.")),
    ],
)
def test_a_caller_who_gives_up_says_why(wire, talker, reason, cause):
    call = wire.invited(body=b"theirs")
    wire.receive(wire.request("CANCEL", headers=[f"Reason: {reason}"] if reason else []))
    assert (call.ended_by, call.cause) == ("remote", cause)


def test_a_call_that_was_refused_here(wire, talker):
    call = wire.invited(body=b"theirs")
    call.reject(600, "Busy Everywhere")
    assert call.ended_by == "local"
    assert call.cause.status == 600


def test_a_call_that_nobody_takes(wire, talker):
    call = wire.invited(body=b"theirs")
    wire.pass_until(200)
    assert call.ended_by == "timeout"
    assert call.cause.status == 408


def test_the_text_of_a_reason_is_short():
    message = Message([("Reason", 'SIP;text="' + "x" * 5000 + '"')])
    assert stated_cause(message) == Cause(None, "", "The other side ended the call.")


def test_dir_has_what_is_of_use_to_a_user(wire, alice):
    class Noting(type(wire.invite(alice)[0])):
        def note(self):
            """Note something."""

    call = Noting(alice)
    call.colour = "red"
    names = dir(call)
    assert len(names) < 70
    assert {"hold", "wait", "state", "note", "colour"} <= set(names)
    assert set(names) <= set(object.__dir__(call))

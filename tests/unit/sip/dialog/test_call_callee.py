"""A call, seen from the side that is called, up to its answer (RFC 3261 §13.3, §9.2).

The test is the peer.
"""

import pytest

from sipparty.errors import (
    CallTimedOut,
    UnexpectedInput,
    UsageError,
)
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived


@pytest.fixture
def bob(wire):
    return wire.agent()


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


def up(wire, **changes):
    """Call, have it accepted, acknowledge that; returns the call and the 200."""
    call = wire.invited(**changes)
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    return call, answer


# ---------------------------------------------------------------- answering


def test_a_call_comes_in(wire, bob):
    call = wire.invited(headers=["Record-Route: <sip:p1.example;lr>"])
    assert wire.kinds() == [CallReceived]
    assert (call.state, call.role, call.call_id) == ("InitiatingDialog", "callee", "c1")
    assert call.remote.tag == "a1"
    assert call.remote_target == "sip:alice@10.0.0.9"
    assert wire.sent() == []
    wire.pass_until(0.2)
    assert wire.starts() == [100]


def test_ringing_goes_on_being_told(wire, bob):
    """§13.3.1.1: proxies between would give up on a call that is silent for three minutes."""
    bob.patience = 300
    call = wire.invited(headers=["Expires: 200"])
    wire.pass_until(90)
    wire.sent()  # 100, and nothing while nobody rings
    call.ring(183)
    wire.sent()
    wire.pass_until(190)
    assert [(time, status) for time, status in wire.times()] == [(120.0, 183), (180.0, 183)]
    call.accept()
    wire.acknowledge(wire.one())
    wire.pass_until(300)
    assert wire.sent() == []


def test_ringing_and_accepting(wire, bob):
    call = wire.invited(headers=["Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>"])
    call.ring()
    call.ring(183, "Nearly There")
    call.accept()
    ringing, nearly, answer = wire.sent()
    assert [ringing.status, nearly.status, answer.status] == [180, 183, 200]
    assert nearly.reason == "Nearly There"
    assert call.progress == 183
    # §12.1.1: what makes the dialog is in each of them.
    for response in (ringing, nearly, answer):
        assert response.to.tag == call.dialog_state.local_tag
        assert response.contact.uri_text == "sip:bob@10.0.0.1:5060"
        assert response.lines("Record-Route") == ["<sip:p2.example;lr>, <sip:p1.example;lr>"]
    assert " ".join(answer.allow) == "INVITE OPTIONS ACK BYE CANCEL PRACK UPDATE NOTIFY REFER"
    assert call.state == "InDialog"
    assert CallEstablished not in wire.kinds()
    wire.acknowledge(answer)
    assert wire.kinds()[-1] is CallEstablished


def test_an_agent_may_answer_by_itself(wire):
    wire.agent(auto_answer=True)
    call = wire.invited()
    assert wire.starts() == [180, 200]
    assert call.state == "InDialog"


def test_an_agent_may_answer_without_ringing(wire):
    wire.agent(auto_answer=True, rings=False)
    wire.receive(wire.request("INVITE"))
    assert wire.starts() == [200]


@pytest.mark.parametrize("status", [302, 404, 486, 500, 603])
def test_rejecting(wire, bob, status):
    call = wire.invited()
    call.reject(status, headers=[("Contact", "<sip:bob@10.0.0.3>")])
    answer = wire.one()
    assert answer.status == status
    assert answer.to.tag == call.dialog_state.local_tag
    assert answer.contact.uri_text == "sip:bob@10.0.0.3"
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.receive(wire.request("ACK"))
    assert wire.sent() == []
    wire.over()


@pytest.mark.parametrize("status", [100, 200, 299, 700])
def test_a_rejection_is_a_failure(wire, bob, status):
    call = wire.invited()
    with pytest.raises(UsageError, match=f"{status} does not refuse a call"):
        call.reject(status)
    assert call.state == "InitiatingDialog"


def test_progress_that_cannot_be_written_is_none(wire, bob):
    call = wire.invited()
    with pytest.raises(UsageError):
        call.ring(183, "a\r\nb")
    assert call.progress is None
    assert wire.sent() == []


@pytest.mark.parametrize("status", [100, 200, 99])
def test_progress_is_provisional(wire, bob, status):
    call = wire.invited()
    with pytest.raises(UsageError, match=f"{status} is not a provisional status"):
        call.ring(status)
    assert wire.sent() == []


def test_a_header_that_cannot_be_written_leaves_the_call_to_be_answered(wire, bob):
    call = wire.invited()
    with pytest.raises(UsageError):
        call.reject(302, headers=[("Contact", "<sip:a\r\nb>")])
    assert call.state == "InitiatingDialog"
    call.accept()
    assert wire.starts() == [200]


def test_terminating_before_the_answer_declines(wire, bob):
    call = wire.invited()
    call.terminate()
    assert wire.starts() == [603]
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()


@pytest.mark.parametrize("verb", ["ring", "accept", "reject"])
@pytest.mark.parametrize("after", ["accepted", "acknowledged", "rejected"])
def test_a_call_is_answered_once(wire, talker, verb, after):
    call = wire.invited()
    if after == "rejected":
        call.reject()
    else:
        call.accept()
        answer = wire.one()
        if after != "accepted":
            wire.acknowledge(answer)
    wire.sent()
    done = [list(media.done) for media in wire.medias]
    with pytest.raises(UnexpectedInput) as caught:
        getattr(call, verb)()
    assert str(caught.value) == (
        f"Bad input '{verb}' to 'SimpleCall' instance '{call.name}' (current state '{call.state}')."
    )
    assert wire.sent() == []
    assert [list(media.done) for media in wire.medias] == done  # media was not touched


@pytest.mark.parametrize("verb", ["ring", "accept", "reject"])
@pytest.mark.parametrize("how", ["CANCEL", "BYE", "early BYE", "Expires", "patience"])
def test_who_loses_the_race_with_the_caller_made_no_mistake(wire, talker, caplog, verb, how):
    """The caller is gone while a handler decides: it cannot know, and nothing is an error."""
    call = wire.invited(headers=["Expires: 5"] if how == "Expires" else [])
    if how == "CANCEL":
        wire.receive(wire.request("CANCEL"))
    elif how == "BYE":
        call.accept()
        answer = wire.one()
        wire.acknowledge(answer)
        wire.receive(wire.within(answer, "BYE"))
    elif how == "early BYE":
        call.ring()
        wire.receive(wire.within(wire.one(), "BYE"))
    wire.pass_until(200 if how in ("Expires", "patience") else 1)
    wire.sent()
    before = call.state, [list(media.done) for media in wire.medias]
    assert getattr(call, verb)() is call
    assert (call.state, [list(media.done) for media in wire.medias]) == before
    assert wire.sent() == []
    assert not caplog.records
    if call.state == "Terminated":
        with pytest.raises(UnexpectedInput):
            call.terminate()


# ---------------------------------------------------------------- media


def test_the_answer_to_their_offer_is_in_the_200(wire, talker):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    assert answer.body == b"answer to theirs"
    assert str(answer.content_type) == "application/sdp"
    assert wire.medias[0].done == ["answer"]
    wire.acknowledge(answer)
    assert wire.medias[0].done == ["answer", "start"]
    assert call.session is wire.medias[0]


def test_without_an_offer_the_200_brings_ours(wire, talker):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    assert answer.body == b"offer"
    assert wire.medias[0].done == ["offer"]
    wire.acknowledge(answer, body=b"yes")
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


@pytest.mark.parametrize("body", [b"", b"bad"])
def test_an_ack_without_a_good_answer_ends_the_call(wire, talker, body):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer, body=body)
    bye = wire.one()
    assert bye.method == "BYE"
    assert call.state == "TerminatingDialog"
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    assert call.last_error.status == 488
    assert wire.medias[0].done[-1] == "stop"
    wire.over()


def test_their_bye_that_crosses_ours_does_not_hide_what_went_wrong(wire, talker):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer, body=b"bad")
    assert wire.one().method == "BYE"
    wire.receive(wire.within(answer, "BYE"))
    assert wire.starts() == [200]
    assert call.state == "Error"
    assert call.last_error.status == 488


@pytest.mark.parametrize("body", [b"", b"bad", b"yes"])
def test_an_ack_that_comes_while_hanging_up_still_has_us_hang_up(wire, talker, body):
    # RFC 5407 §3.2.4: its answer is of no use any more, whatever it is.
    call = wire.invited()
    call.accept()
    answer = wire.one()
    call.terminate()
    assert wire.sent() == []
    wire.acknowledge(answer, body=body)
    wire.receive(wire.answer(wire.one(), 200))
    assert (call.state, call.last_error) == ("Terminated", None)
    assert wire.medias[0].done == ["offer", "stop"]
    wire.over()


@pytest.mark.parametrize(("body", "status"), [(b"bad", 488), (b"garbage", 400)])
def test_media_that_cannot_be_agreed_on_refuses_the_call(wire, talker, body, status):
    call = wire.invited(body=body)
    call.accept()
    assert wire.starts() == [status]
    assert call.state == "Error"
    assert call.last_error.status == status
    assert wire.medias[0].done == ["stop"]
    wire.receive(wire.request("ACK"))
    wire.over()


@pytest.mark.parametrize("auto_answer", [True, False])
def test_media_that_cannot_be_opened_refuses_the_call(wire, auto_answer):
    agent = wire.agent(auto_answer=auto_answer, rings=False)

    def no_port(dialog, flow):
        error = OSError("no port is free")
        error.status = 200  # not for us
        raise error

    agent.open_session = no_port
    call = wire.invited()
    if not auto_answer:
        call.accept()
    assert wire.starts() == [500]
    assert call.state == "Error"
    assert isinstance(call.last_error.__cause__, OSError)
    wire.over()


# ---------------------------------------------------------------- CANCEL, BYE and Expires


@pytest.mark.parametrize("rung", [True, False])
def test_a_cancel_ends_a_call_that_is_not_answered(wire, bob, rung):
    call = wire.invited()
    if rung:
        call.ring()
    wire.sent()
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200, 487]
    assert (call.state, call.last_error) == ("Terminated", None)
    assert wire.kinds()[-1] is CallEnded
    wire.receive(wire.request("ACK"))
    wire.over()


def test_a_cancel_after_the_answer_changes_nothing(wire, bob):
    # RFC 5407 §3.1.2: the 200 to it says that it came, no more.
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200]
    assert call.state == "InDialog"
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "BYE"))
    assert wire.starts() == [200]
    assert call.state == "Terminated"
    wire.over()


def test_a_bye_before_the_answer_ends_the_call(wire, bob):
    # §15.1.2: the INVITE is answered 487.
    call = wire.invited()
    call.ring()
    wire.receive(wire.within(wire.one(), "BYE"))
    assert wire.starts() == [200, 487]
    assert (call.state, call.last_error) == ("Terminated", None)
    wire.over()


def test_a_bye_before_the_ack_ends_the_call(wire, bob):
    # RFC 5407 §3.1.3 and §3.1.6: a BYE is for the dialog, and the 200 need not be sent again.
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "BYE"))
    assert call.state == "Terminated"
    wire.acknowledge(answer)
    wire.pass_until(60)
    assert wire.starts() == [200]
    assert CallEstablished not in wire.kinds()
    wire.over()


def test_an_invitation_runs_out(wire, bob):
    call = wire.invited(headers=["Expires: 30"])
    call.ring()
    wire.sent()
    wire.pass_until(29.999)
    assert wire.sent() == []
    wire.pass_until(30)
    assert wire.starts() == [487]
    assert call.state == "Error"
    assert isinstance(call.last_error, CallTimedOut)
    assert str(call.last_error) == "The call was not answered here within 30 s."
    wire.over()


def test_an_invitation_that_is_accepted_does_not_run_out(wire, bob):
    call, _ = up(wire, headers=["Expires: 30"])
    wire.pass_until(300)
    assert call.state == "InDialog"


def test_a_call_that_nobody_answers_is_refused_after_three_minutes(wire, bob):
    call = wire.invited()
    call.ring()
    wire.sent()
    wire.pass_until(180)
    assert wire.starts() == [180, 180, 480]
    assert call.state == "Error"
    wire.over()


def test_nobody_waits_for_an_answer_for_a_hundred_years(wire, bob):
    """§13.3.1: who is called may end it sooner than the caller would."""
    call = wire.invited(headers=["Expires: 4294967295"])
    wire.pass_until(179)
    assert call.state == "InitiatingDialog"
    wire.pass_until(180)
    assert call.state == "Error"
    assert wire.starts()[-1] == 480  # it is not the invitation that ran out


@pytest.mark.parametrize(
    ("expires", "ends", "status"),
    [(None, 20, 480), (10, 10, 487), (20, 20, 487), (3600, 20, 480)],
)
def test_our_own_patience_is_the_most(wire, bob, expires, ends, status):
    """A datagram of a stranger's does not hold a call for as long as it says."""
    bob.patience = 20
    call = wire.invited(headers=[] if expires is None else [f"Expires: {expires}"])
    wire.pass_until(ends - 0.001)
    assert call.state == "InitiatingDialog"
    wire.sent()
    wire.pass_until(ends)
    assert call.state == "Error"
    assert wire.starts() == [status]
    wire.over()


@pytest.mark.parametrize(
    "header",
    [
        "Expires: soon",
        "Expires: Thu, 01 Dec 1994 16:00:00 GMT",  # RFC 2543 §6.20
        "Expires: 99999999999",
        "Expires: -1",
        "Accept: everything",
        "Accept-Language: ,;",
        "Date: today",
        "Supported: a b",
        "Allow: (",
        "Reply-To: <sip:a%zz@x>",
        "Route: <sip:>",
        "User-Agent: (((",
        "Warning: none",
    ],
)
def test_what_is_malformed_and_not_needed_is_ignored(wire, bob, header):
    # §8.2
    call = wire.invited(headers=[header])
    wire.pass_until(179)
    assert call.state == "InitiatingDialog"
    call.accept()
    assert wire.starts()[-1] == 200

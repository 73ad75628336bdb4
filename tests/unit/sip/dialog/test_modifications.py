"""Changes inside a call: hold, resume, other media, and what they cross with (RFC 3261 §14)."""

import pytest

from sipparty.errors import CallFailed, CallRejected, CallTimedOut, UnexpectedInput, UsageError
from sipparty.sip.dialog.modification import Modification
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallEnded, CallHeld, CallResumed, MediaChanged

HOLD = b"v=0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n"


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


@pytest.fixture
def up(wire, alice):
    """A call of ours that is up, and its INVITE."""
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    wire.medias[0].done.clear()
    return call, invite


@pytest.fixture
def taken(wire):
    """A call of theirs that is up, and our 200."""
    wire.agent(media=True)
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.medias[0].done.clear()
    return call, answer


def theirs(wire, invite, number=1, **changes):
    """A re-INVITE of the other side's in a call of ours."""
    changes.setdefault("body", b"other")
    wire.receive(
        wire.request(
            "INVITE",
            invite.contact.uri_text,
            to=str(invite["From"]),
            from_="<sip:bob@10.0.0.9>;tag=b1",
            call_id=invite.call_id,
            number=number,
            branch=f"z9hG4bKre{number}",
            contact="<sip:bob@10.0.0.9>",
            **changes,
        )
    )


def happened(wire, kind):
    return [event for event in wire.happened if isinstance(event, kind)]


def test_hold_and_resume(wire, up):
    call, invite = up
    hold = call.hold()
    again = wire.one()
    assert (again.method, again.body) == ("INVITE", b"offer")
    assert again.cseq.number == invite.cseq.number + 1
    assert again.contact.uri_text == invite.contact.uri_text
    assert again.to.tag == "b1"
    assert (hold.state, call.held) == ("Sent", False)
    wire.receive(wire.answer(again, 200, body=b"held"))
    ack = wire.one()
    assert (ack.method, ack.cseq.number) == ("ACK", again.cseq.number)
    assert (hold.state, hold.error, call.held) == ("Done", None, True)
    assert wire.medias[0].done == ["offer sendonly", b"accept held", "start"]
    wire.receive(wire.answer(again, 200, body=b"held"))
    assert bytes(wire.one()) == bytes(ack)  # each time that the 2xx comes
    resume = call.resume()
    wire.receive(wire.answer(wire.one(), 200, body=b"on"))
    assert (resume.state, call.held) == ("Done", False)
    assert [event.by for event in happened(wire, CallHeld)] == ["local"]
    assert [event.by for event in happened(wire, CallResumed)] == ["local"]
    assert len(happened(wire, MediaChanged)) == 2
    assert call.state == "InDialog"


def test_a_side_that_was_called_holds_too(wire, taken):
    call, _ = taken
    hold = call.hold("inactive")
    again = wire.one()
    wire.receive(wire.answer(again, 200, body=b"held"))
    assert wire.medias[0].done[0] == "offer inactive"
    assert hold.wait(0) is hold
    assert call.held


@pytest.mark.parametrize("status", [488, 403, 415, 503])
def test_its_failure_leaves_the_call_as_it_was(wire, up, status):
    call, _ = up
    rolled = []
    wire.medias[0].rollback = lambda: rolled.append(True)
    hold = call.hold()
    wire.receive(wire.answer(wire.one(), status))
    wire.sent()
    assert hold.state == "Failed"
    with pytest.raises(CallRejected, match=str(status)):
        hold.wait(0)
    assert rolled
    assert not call.held
    if status != 403:  # RFC 5057 §5: a call cannot do without INVITE
        assert call.state == "InDialog"
        call.resume()
        assert "INVITE" in wire.starts()


@pytest.mark.parametrize("status", [408, 481])
def test_who_knows_no_such_call_ends_it(wire, up, status):
    call, _ = up
    hold = call.hold()
    wire.receive(wire.answer(wire.one(), status))
    assert hold.error.status == status
    assert call.state == "TerminatingDialog"
    assert "BYE" in wire.starts()


def test_no_answer_ends_the_call(wire, up):
    call, _ = up
    hold = call.hold()
    wire.pass_until(wire.now + 33)
    assert isinstance(hold.error, CallTimedOut)
    assert call.state != "InDialog"


def test_one_at_a_time(wire, up):
    call, _ = up
    first, second = call.hold(), call.resume()
    again = wire.one()
    assert (first.state, second.state) == ("Sent", "Waiting")
    wire.receive(wire.answer(again, 488))
    ack, third = wire.sent()
    assert (ack.method, third.method) == ("ACK", "INVITE")
    wire.receive(wire.answer(third, 200, body=b"on"))
    assert (first.state, second.state) == ("Failed", "Done")


@pytest.mark.parametrize(("side", "least", "most"), [("up", 2.1, 4.0), ("taken", 0.0, 2.0)])
def test_glare_is_met_with_another_try_after_a_time_of_its_own(wire, side, least, most, request):
    """§14.1: who has made the Call-ID waits longer than who has not."""
    call, _ = request.getfixturevalue(side)
    hold = call.hold()
    begun = wire.now
    wire.receive(wire.answer(wire.one(), 491))
    assert hold.state == "Backoff"
    wire.sent()
    wire.pass_until(begun + max(least - 0.01, 0))
    assert least == 0 or wire.sent() == []
    wire.pass_until(begun + most + 0.01)
    again = next(one for one in wire.sent() if getattr(one, "method", "") == "INVITE")
    wire.receive(wire.answer(again, 200, body=b"held"))
    assert (hold.state, hold.tries, call.held) == ("Done", 2, True)


def test_the_times_are_of_both_ranges_and_in_units_of_10_ms(wire, up):
    from sipparty.sip.dialog.modification import Modification
    from sipparty.sip.message import Message

    call, invite = up
    modification = Modification(call, lambda: b"")
    refusal = Message.parse(wire.answer(invite, 491))
    for role, least, most in (("caller", 2.1, 4.0), ("callee", 0.0, 2.0)):
        call.role = role
        got = {modification._backoff(refusal) for _ in range(4000)}
        assert all(least <= seconds <= most for seconds in got)
        assert all(abs(seconds * 100 - round(seconds * 100)) < 1e-9 for seconds in got)


def test_glare_has_an_end(wire, up):
    call, _ = up
    hold = call.hold()
    for _ in range(hold.MAX_TRIES):
        invite = next(one for one in wire.sent() if getattr(one, "method", "") == "INVITE")
        wire.receive(wire.answer(invite, 491))
        wire.pass_until(wire.now + 5)
    assert hold.error.status == 491
    assert call.state == "InDialog"


def test_theirs_while_ours_is_not_answered_is_491(wire, up):
    call, invite = up
    hold = call.hold()
    ours = wire.one()
    theirs(wire, invite)
    assert wire.one().status == 491
    wire.receive(wire.answer(ours, 200, body=b"held"))
    assert hold.state == "Done"


def test_ours_waits_until_theirs_is_acknowledged(wire, up):
    call, invite = up
    theirs(wire, invite, 1)
    answer = wire.one()
    hold = call.hold()
    assert (wire.sent(), hold.state) == ([], "Waiting")
    wire.receive(
        wire.request(
            "ACK",
            to=str(invite["From"]),
            from_="<sip:bob@10.0.0.9>;tag=b1",
            call_id=invite.call_id,
            branch="z9hG4bKack",
            number=answer.cseq.number,
        )
    )
    assert (wire.one().method, hold.state) == ("INVITE", "Sent")


def test_one_that_the_call_ends_first_fails(wire, up):
    call, _ = up
    hold, waits = call.hold(), call.resume()
    ours = wire.one()
    call.terminate()
    bye = wire.one()
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    assert str(hold.error) == str(waits.error) == "The call has ended."
    wire.receive(wire.answer(ours, 200, body=b"late"))
    assert wire.one().method == "ACK"
    wire.over()


def test_one_for_a_call_that_is_over_fails_at_once(wire, up):
    call, _ = up
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    with pytest.raises(CallFailed, match="The call is over"):
        call.hold().wait(0)


def test_an_answer_that_is_none_fails_it_alone(wire, up):
    call, _ = up
    hold = call.hold()
    wire.receive(wire.answer(wire.one(), 200, body=b"bad"))
    assert wire.one().method == "ACK"
    assert "That is no answer" in str(hold.error)
    assert (call.state, call.held) == ("InDialog", False)
    assert not happened(wire, CallEnded)


def test_the_session_may_refuse_it(wire, up):
    call, _ = up

    def update(**settings):
        raise UsageError("Session has no setting colour.")

    wire.medias[0].update = update
    change = call.update_media(colour="red")
    assert "no setting colour" in str(change.error)
    assert wire.sent() == []
    assert call.hold().state == "Sent"


def test_other_media(wire, up):
    call, _ = up
    wire.medias[0].update = lambda **settings: wire.medias[0].done.append(settings)
    change = call.update_media(ptime=40)
    wire.receive(wire.answer(wire.one(), 200, body=b"so"))
    assert change.state == "Done"
    assert wire.medias[0].done == [{"ptime": 40}, "offer", b"accept so", "start"]
    assert len(happened(wire, MediaChanged)) == 1


def test_a_call_without_media_has_none_to_change(wire):
    call, invite = wire.invite(wire.agent("sip:alice@atlanta.com"))
    wire.receive(wire.answer(invite, 200))
    with pytest.raises(UsageError, match="no media"):
        call.hold()
    with pytest.raises(UsageError, match="not 'recvonly'"):
        call.hold("recvonly")


def test_a_call_that_is_not_up_yet_has_nothing_to_change(wire, alice):
    call, _ = wire.invite(alice)
    with pytest.raises(UnexpectedInput):
        call.hold()
    assert wire.sent() == []


def test_the_other_side_holds_us(wire, up):
    call, invite = up
    theirs(wire, invite, 1, body=HOLD)
    assert call.held_by_peer
    assert not call.held
    assert [event.by for event in happened(wire, CallHeld)] == ["remote"]
    wire.sent()
    wire.pass_until(wire.now + 1)
    theirs(wire, invite, 2, body=HOLD.replace(b"sendonly", b"sendrecv"))
    assert not call.held_by_peer
    assert [event.by for event in happened(wire, CallResumed)] == ["remote"]


@pytest.mark.parametrize("seconds", [1, 10, 11, 60])
def test_a_500_says_when_to_try_again(wire, up, seconds):
    """§14.2: the other side had an INVITE of ours that it had not answered yet."""
    call, _ = up
    hold = call.hold()
    refusal = wire.answer(wire.one(), 500, headers=[("Retry-After", str(seconds))])
    wire.receive(refusal)
    wire.sent()
    wire.pass_until(wire.now + seconds)
    assert hold.state == ("Sent" if seconds <= 10 else "Failed")
    assert call.state == "InDialog"


def test_one_that_never_has_its_answer_is_cancelled_when_the_call_ends(wire, taken):
    call, answer = taken
    hold = call.hold()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    wire.receive(wire.within(answer, "BYE", 9))
    assert wire.starts() == [200, "CANCEL"]
    assert hold.state == "Failed"
    wire.over()


def test_one_that_is_not_answered_in_time_is_cancelled(wire, up):
    call, _ = up
    hold = call.hold()
    invite = wire.one()
    wire.receive(wire.answer(invite, 180))
    wire.pass_until(wire.now + 180)
    cancel = wire.one()
    assert (cancel.method, hold.state) == ("CANCEL", "Sent")
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(invite, 487))
    assert wire.starts() == ["ACK"]
    assert (hold.state, call.state) == ("Failed", "InDialog")
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_a_change_that_leaves_from_another_address_names_it(wire, up):
    """RFC 3261 §12.2.1.1: the Contact of a target refresh is where we are now."""
    call, invite = up
    assert invite.contact.uri_text == "sip:alice@10.0.0.1:5060"
    wire.hold_flows = True
    call.hold()
    assert wire.sent() == []
    (wanted,) = wire.wanted
    wire.core.flow_found(wanted, wire.flow_by(local=("10.0.0.33", 5060)), wire.now)
    assert wire.one().contact.uri_text == "sip:alice@10.0.0.33:5060"
    call.terminate()


def test_an_offer_that_is_made_after_the_bye_is_not_sent(wire, up):
    call, _ = up
    pending = Pending()
    call.session.offer = lambda direction: pending
    hold = call.hold()
    call.terminate()
    bye = wire.one()
    assert bye.method == "BYE"
    pending.resolve(b"late")
    assert wire.sent() == []
    assert hold.state == "Failed"
    wire.receive(wire.answer(bye, 200))
    wire.over()


# ---------------------------------------------------------------- nothing waits for ever


@pytest.mark.parametrize("what", ["offer", "accept"])
def test_a_session_that_never_gives_anything_fails_it(wire, up, what):
    call, _ = up
    setattr(call.session, what, lambda *_: Pending())
    hold = call.hold()
    if what == "accept":
        wire.receive(wire.answer(wire.one(), 200, body=b"held"))
    wire.pass_until(wire.now + Modification.PATIENCE + 1)
    assert hold.state == "Failed"
    assert "more than 180 s" in str(hold.error)
    assert (call.state, call.held) == ("InDialog", False)


def test_what_waits_for_an_answer_that_is_never_made_fails(wire, up):
    call, invite = up
    call.session.answer = lambda offer: Pending()
    theirs(wire, invite)
    hold = call.hold()
    wire.pass_until(wire.now + Modification.PATIENCE + 1)
    assert hold.state == "Failed"
    assert "What was under way in the call" in str(hold.error)


def test_an_answer_that_crosses_our_bye_changes_nothing(wire, up):
    call, _ = up
    hold = call.hold()
    reinvite = wire.one()
    call.terminate()
    bye = wire.one()
    wire.happened.clear()
    wire.receive(wire.answer(reinvite, 200, body=b"held"))
    assert wire.starts() == ["ACK"]
    assert wire.happened == []
    assert "start" not in call.session.done
    wire.receive(wire.answer(bye, 200))
    assert hold.state == "Done"
    wire.over()

"""UPDATE, ours and theirs, in early and confirmed dialogs (RFC 3311, RFC 6337 §3.2, §4.3)."""

import pytest

from sipparty.errors import CallFailed, NegotiationError, UnexpectedInput, UsageError
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallHeld, MediaChanged

HOLD = b"m=audio 9 RTP/AVP 0\r\na=sendonly\r\n"


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


def reliable(wire, invite, status=183, rseq=1, tag="b1", **changes):
    headers = [("Require", "100rel"), ("RSeq", str(rseq))]
    return wire.answer(invite, status, tag=tag, headers=headers, **changes)


def theirs(wire, invite, method="UPDATE", tag="b1", number=1, **changes):
    """A request of who was called, in a dialog of our INVITE."""
    changes.setdefault("branch", f"z9hG4bK{method}{tag}{number}")
    return wire.request(
        method,
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_=f"{invite['To']};tag={tag}",
        call_id=invite.call_id,
        number=number,
        **changes,
    )


def early(wire, alice):
    """A call of ours whose offer was answered before it is; its PRACK is answered."""
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, body=b"yes"))
    wire.receive(wire.answer(wire.one(), 200))
    return call, invite


def ringing(wire):
    """A call to us whose offer we have answered before we do; the PRACK is there."""
    call = wire.invited(headers=["Supported: 100rel"], body=b"offer")
    call.ring(183, media=True)
    response = wire.one()
    rack = f"RAck: {response['RSeq']} 1 INVITE"
    wire.receive(wire.within(response, "PRACK", 2, headers=[rack]))
    wire.sent()
    return call, response


def up(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    wire.sent()
    return call, invite


# ---------------------------------------------------------------- theirs, in a call that is up


def test_it_changes_the_media(wire, alice):
    call, invite = up(wire, alice)
    wire.receive(theirs(wire, invite, body=HOLD))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer to " + HOLD)
    assert answer["Content-Type"].essence == "application/sdp"
    assert "UPDATE" in answer.allow
    assert wire.medias[0].done[-2:] == ["answer", "start"]
    assert wire.kinds()[-2:] == [MediaChanged, CallHeld]
    assert call.held_by_peer
    call.terminate()
    wire.over()


def test_it_moves_the_remote_target(wire, alice):
    # §5.1: a target refresh, with an offer and without.
    call, invite = up(wire, alice)
    wire.receive(theirs(wire, invite, contact="<sip:moved@10.0.0.9>"))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.contact.uri_text == "sip:alice@10.0.0.1:5060"
    assert call.remote_target == "sip:moved@10.0.0.9"
    assert MediaChanged not in wire.kinds()
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]


@pytest.mark.parametrize(("body", "status"), [(b"bad", 488), (b"garbage", 400)])
def test_what_cannot_be_agreed_on_changes_nothing(wire, alice, body, status):
    call, invite = up(wire, alice)
    wire.receive(theirs(wire, invite, body=body, contact="<sip:moved@10.0.0.9>"))
    refusal = wire.one()
    assert refusal.status == status
    assert "Warning" in refusal
    assert call.remote_target == "sip:bob@10.0.0.9"
    wire.receive(theirs(wire, invite, number=2, body=b"good"))
    assert wire.starts() == [200]


def test_a_defect_of_the_session_is_a_500(wire, alice):
    call, invite = up(wire, alice)
    wire.medias[0].answer = lambda offer: 1 / 0
    wire.receive(theirs(wire, invite, body=b"more"))
    assert wire.starts() == [500]
    assert call.state == "InDialog"


def test_one_while_another_is_being_answered(wire, alice):
    # §5.2: 500 and Retry-After from 0 to 10 s, be there an offer or not.
    call, invite = up(wire, alice)
    pending = Pending()
    wire.medias[0].answer = lambda offer: pending
    wire.receive(theirs(wire, invite, number=1, body=b"first"))
    assert wire.sent() == []
    for number, body in ((2, b"second"), (3, b"")):
        wire.receive(theirs(wire, invite, number=number, body=body))
        refusal = wire.one()
        assert refusal.status == 500
        assert 0 <= refusal["Retry-After"].seconds <= 10
    # RFC 6337 §4.3, UAS-UsI.
    wire.receive(theirs(wire, invite, "INVITE", number=4, body=b"third"))
    refusal = wire.one()
    assert refusal.status == 500
    assert "Retry-After" in refusal
    pending.resolve(b"answer")
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer")
    wire.receive(theirs(wire, invite, "ACK", number=4))
    call.terminate()
    wire.over()


@pytest.mark.parametrize("end", ["bye", "terminate"])
def test_one_whose_answer_is_not_there_when_the_call_ends(wire, alice, end):
    call, invite = up(wire, alice)
    pending = Pending()
    wire.medias[0].answer = lambda offer: pending
    wire.receive(theirs(wire, invite, body=b"first"))
    if end == "bye":
        wire.receive(theirs(wire, invite, "BYE", number=2))
        assert sorted(wire.starts()) == [200, 481]
    else:
        call.terminate()
        wire.receive(wire.answer(wire.one(), 200))
        assert wire.starts() == [481]
    pending.resolve(b"answer")
    assert wire.sent() == []
    wire.over()


def test_an_answer_that_comes_too_late_is_sent_nowhere(wire, alice):
    call, invite = up(wire, alice)
    pending = Pending()
    wire.medias[0].answer = lambda offer: pending
    wire.receive(theirs(wire, invite, body=b"first"))
    wire.pass_until(40)
    pending.resolve(b"answer")
    assert wire.sent() == []
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_one_for_no_call(wire, alice):
    wire.receive(wire.request("UPDATE", "sip:alice@atlanta.com"))
    assert wire.starts() == [481]


def test_one_while_the_call_is_being_hung_up(wire, alice):
    call, invite = up(wire, alice)
    call.terminate()
    wire.sent()
    wire.receive(theirs(wire, invite, body=b"more"))
    assert wire.starts() == [481]


def test_an_agent_without_media_takes_no_offer(wire):
    agent = wire.agent("sip:alice@atlanta.com")
    _, invite = up(wire, agent)
    wire.receive(theirs(wire, invite, body=b"more"))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"")


# ---------------------------------------------------------------- theirs, before the answer


def test_who_was_called_changes_early_media(wire, alice):
    call, invite = early(wire, alice)
    wire.receive(theirs(wire, invite, body=b"more"))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer to more")
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_who_calls_changes_early_media(wire, bob):
    call, response = ringing(wire)
    wire.receive(wire.within(response, "UPDATE", 3, body=b"more"))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer to more")
    assert answer.contact.uri_text == response.contact.uri_text
    call.accept()
    accepted = wire.one()
    assert (accepted.status, accepted.body) == (200, b"")
    # RFC 3311 §5.1
    assert accepted.contact.uri_text == answer.contact.uri_text
    call.terminate()
    wire.over()


@pytest.mark.parametrize("preview", [False, True])
def test_an_offer_to_who_waits_for_the_answer_is_a_491(wire, alice, preview):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 183, body=b"yes" if preview else b""))
    wire.receive(theirs(wire, invite, body=b"more"))
    assert wire.starts() == [491]
    call.terminate()
    wire.over()


@pytest.mark.parametrize("reliably", [False, True])
def test_an_offer_to_who_has_not_answered_the_first_is_a_500(wire, bob, reliably):
    # RFC 6337 §4.3, UAS-IsU: nor before the PRACK.
    call = wire.invited(headers=["Supported: 100rel"], body=b"offer")
    call.ring(183, media=True, reliable=reliably)
    response = wire.one()
    wire.receive(wire.within(response, "UPDATE", 2, body=b"more"))
    refusal = wire.one()
    assert refusal.status == 500
    assert "Retry-After" in refusal
    # One without an offer is welcome.
    wire.receive(wire.within(response, "UPDATE", 3))
    assert wire.starts() == [200]
    call.reject()
    wire.over()


def test_a_fork_that_the_media_is_not_with_offers_in_vain(wire, alice):
    call, invite = early(wire, alice)
    wire.receive(reliable(wire, invite, 180, tag="b2"))
    wire.receive(wire.answer(wire.one(), 200))
    wire.receive(theirs(wire, invite, tag="b2", body=b"more"))
    assert wire.starts() == [500]
    wire.receive(theirs(wire, invite, tag="b2", number=2, contact="<sip:moved@10.0.0.9>"))
    assert wire.starts() == [200]
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- ours, in a call that is up


def test_a_change_may_be_asked_for_by_update(wire, alice):
    call, _ = up(wire, alice)
    change = call.hold(method="UPDATE", headers=[("X-Any", "1")])
    update = wire.one()
    assert (update.method, update.body, update["X-Any"]) == ("UPDATE", b"offer", "1")
    assert update.contact.uri_text == "sip:alice@10.0.0.1:5060"
    assert "UPDATE" in update.allow
    wire.receive(wire.answer(update, 200, contact="<sip:moved@10.0.0.9>", body=b"a=recvonly"))
    assert wire.sent() == []
    assert change.state == "Done"
    assert call.held
    assert call.remote_target == "sip:moved@10.0.0.9"
    call.terminate()
    wire.over()


@pytest.mark.parametrize("status", [405, 501])
def test_where_the_other_side_takes_none_a_reinvite_follows(wire, alice, status):
    call, _ = up(wire, alice)
    change = call.hold(method="UPDATE")
    wire.receive(wire.answer(wire.one(), status))
    wire.pass_until(wire.now)
    invite = wire.one()
    assert invite.method == "INVITE"
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    assert wire.starts() == ["ACK"]
    assert change.state == "Done"
    call.terminate()
    wire.over()


@pytest.mark.parametrize(("status", "answer"), [(488, b""), (200, b""), (200, b"bad")])
def test_one_that_fails_leaves_the_call_as_it_was(wire, alice, status, answer):
    call, _ = up(wire, alice)
    change = call.update_media(method="UPDATE")
    wire.receive(wire.answer(wire.one(), status, body=answer))
    assert change.state == "Failed"
    assert isinstance(change.error, CallFailed)
    assert call.state == "InDialog"
    assert call.offer_answer.may_offer
    call.terminate()
    wire.over()


@pytest.mark.parametrize("status", [481, 408, None])
def test_one_that_finds_no_call_ends_ours(wire, alice, status):
    # §5.3
    call, _ = up(wire, alice)
    change = call.update_media(method="UPDATE")
    update = wire.one()
    if status is None:
        wire.pass_until(33)
    else:
        wire.receive(wire.answer(update, status))
    assert change.state == "Failed"
    assert "BYE" in wire.starts()
    wire.over()
    assert call.state == "Error"


@pytest.mark.parametrize(("role", "least", "most"), [("caller", 2.1, 4.0), ("callee", 0.0, 2.0)])
def test_both_sides_ask_at_once(wire, role, least, most):
    # §5.2, §5.3
    agent = wire.agent(media=True)
    if role == "caller":
        call, invite = up(wire, agent)
        change = call.hold(method="UPDATE")
        update = wire.one()
        wire.receive(theirs(wire, invite, body=b"more"))
    else:
        call = wire.invited(body=b"offer")
        call.accept()
        answer = wire.one()
        wire.acknowledge(answer)
        change = call.hold(method="UPDATE")
        update = wire.one()
        wire.receive(wire.within(answer, "UPDATE", 2, body=b"more"))
    assert wire.starts() == [491]
    wire.receive(wire.answer(update, 491))
    assert change.state == "Backoff"
    begin = wire.now
    wire.pass_until(begin + 5)
    ((time, what),) = [one for one in wire.times() if one[0] < begin + 4.1][:1]
    assert what == "UPDATE"
    assert least <= time - begin <= most
    call.terminate()
    wire.over()


def test_a_reinvite_while_an_update_of_ours_waits_is_a_491(wire, alice):
    # RFC 6337 §4.3, UAS-UcI.
    call, invite = up(wire, alice)
    call.hold(method="UPDATE")
    wire.sent()
    wire.receive(theirs(wire, invite, "INVITE", body=b"more"))
    assert wire.starts() == [491]


def test_an_update_while_a_reinvite_of_ours_waits_is_a_491(wire, alice):
    # RFC 6337 §4.3, UAS-IcU; one without an offer is welcome.
    call, invite = up(wire, alice)
    call.hold()
    wire.sent()
    wire.receive(theirs(wire, invite, number=1, body=b"more"))
    wire.receive(theirs(wire, invite, number=2))
    assert wire.starts() == [491, 200]


def test_changes_are_asked_for_one_after_the_other(wire, alice):
    call, _ = up(wire, alice)
    first, second = call.hold(method="UPDATE"), call.resume(method="UPDATE")
    update = wire.one()
    wire.receive(wire.answer(update, 200, body=b"yes"))
    assert (first.state, second.state) == ("Done", "Sent")
    wire.receive(wire.answer(wire.one(), 200, body=b"yes"))
    assert second.state == "Done"
    call.terminate()
    wire.over()


def test_what_cannot_be_asked_for(wire, alice):
    call, _ = up(wire, alice)
    for how in ({"method": "INFO"}, {"method": "PRACK"}):
        with pytest.raises(UsageError, match=how["method"]):
            call.update_media(**how)
    for how in ({"method": "UPDATE"}, {"codecs": []}):
        with pytest.raises(UsageError, match="late_offer"):
            call.update_media(late_offer=True, **how)


# ---------------------------------------------------------------- ours, before the answer


def test_who_calls_may_change_early_media(wire, alice):
    call, invite = early(wire, alice)
    change = call.hold()
    update = wire.one()
    assert (update.method, update.to.tag) == ("UPDATE", "b1")
    assert update.cseq.number == invite.cseq.number + 2
    wire.receive(wire.answer(update, 200, body=b"a=recvonly"))
    assert change.state == "Done"
    assert call.held
    assert call.state == "InitiatingDialog"
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    call.terminate()
    wire.over()


def test_who_was_called_may_change_early_media(wire, bob):
    call, _ = ringing(wire)
    change = call.update_media()
    update = wire.one()
    assert (update.method, update.body) == ("UPDATE", b"offer")
    wire.receive(wire.answer(update, 200, contact="<sip:alice@10.0.0.9>", body=b"yes"))
    assert change.state == "Done"
    call.accept()
    assert wire.one().body == b""
    call.terminate()
    wire.over()


def test_not_before_the_first_offer_is_answered_for_certain(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 183, body=b"yes"))
    with pytest.raises(UnexpectedInput):
        call.hold()
    assert wire.sent() == []


def test_nor_by_who_has_not_answered_it(wire, bob):
    call = wire.invited(headers=["Supported: 100rel"], body=b"offer")
    call.ring(183, media=True)
    with pytest.raises(UnexpectedInput):
        call.hold()
    call.reject()
    wire.over()


def test_not_before_the_prack_is_answered(wire, alice):
    # RFC 6337 §4.3, UAC-IU
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, body=b"yes"))
    prack = wire.one()
    change = call.hold()
    assert wire.sent() == []
    wire.receive(wire.answer(prack, 200))
    assert wire.starts() == ["UPDATE"]
    assert change.state == "Sent"
    call.terminate()
    wire.over()


@pytest.mark.parametrize("status", [405, 501, 488])
def test_one_that_is_refused_before_the_answer_changes_nothing(wire, alice, status):
    call, invite = early(wire, alice)
    change = call.hold()
    wire.receive(wire.answer(wire.one(), status))
    assert change.state == "Failed"
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_one_that_crosses_the_answer_is_done_after_it(wire, alice):
    call, invite = early(wire, alice)
    change = call.hold()
    update = wire.one()
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    wire.receive(wire.answer(update, 200, body=b"a=recvonly"))
    assert change.state == "Done"
    assert call.held
    call.terminate()
    wire.over()


def test_early_forks_the_other_one_answers_while_ours_is_being_changed(wire, alice):
    call, invite = early(wire, alice)
    change = call.hold()
    update = wire.one()
    wire.receive(wire.answer(invite, 200, tag="b2", body=b"other"))
    assert change.state == "Failed"
    assert call.state == "InDialog"
    assert wire.starts() == ["ACK"]
    assert wire.medias[0].done[-2:] == [b"accept other", "start"]
    wire.receive(wire.answer(update, 200, body=b"late"))
    assert b"accept late" not in wire.medias[0].done
    call.terminate()
    wire.over()


def test_after_another_offer_the_other_fork_is_asked_anew(wire, alice):
    call, invite = early(wire, alice)
    call.hold()
    wire.receive(wire.answer(wire.one(), 200, body=b"a=recvonly"))
    wire.receive(wire.answer(invite, 200, tag="b2", body=b"other"))
    ack, again = wire.sent()
    assert (ack.method, again.method, again.to.tag) == ("ACK", "INVITE", "b2")
    wire.receive(wire.answer(again, 200, body=b"new"))
    assert wire.medias[0].done[-2:] == [b"accept new", "start"]
    wire.sent()
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- an offer in a PRACK


def test_a_prack_may_bring_an_offer(wire, alice):
    # RFC 6337 pattern 5
    call, invite = wire.invite(alice)
    change = call.update_media(method="PRACK")
    wire.receive(reliable(wire, invite, 180))
    assert wire.one().body == b""  # §3.1.1: nothing is answered yet
    wire.receive(reliable(wire, invite, 183, 2, body=b"yes"))
    prack = wire.one()
    assert (prack.method, prack.body) == ("PRACK", b"offer")
    assert prack["Content-Type"].essence == "application/sdp"
    assert wire.medias[0].done == ["offer", b"accept yes", "start", "offer"]
    wire.receive(wire.answer(prack, 200, body=b"more"))
    assert change.state == "Done"
    assert wire.medias[0].done[4:] == [b"accept more", "start"]
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    call.terminate()
    wire.over()


@pytest.mark.parametrize(("status", "answer"), [(488, b""), (200, b"")])
def test_one_that_is_refused_leaves_the_media_as_it_was(wire, alice, status, answer):
    call, invite = wire.invite(alice)
    change = call.update_media(method="PRACK")
    wire.receive(reliable(wire, invite, 183, body=b"yes"))
    wire.receive(wire.answer(wire.one(), status, body=answer))
    assert change.state == "Failed"
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_an_offer_that_cannot_be_made_leaves_the_prack(wire, alice):
    call, invite = wire.invite(alice)
    change = call.update_media(method="PRACK")
    wire.medias[0].offer = lambda: None
    wire.receive(reliable(wire, invite, 183, body=b"yes"))
    prack = wire.one()
    assert (prack.method, prack.body, change.state) == ("PRACK", b"", "Failed")
    call.terminate()
    wire.over()


def test_where_nothing_is_reliable_it_is_a_reinvite(wire, alice):
    call, invite = wire.invite(alice)
    change = call.update_media(method="PRACK")
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    ack, again = wire.sent()
    assert (ack.method, again.method, change.method) == ("ACK", "INVITE", "INVITE")
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- a re-INVITE without an offer


def test_the_other_side_may_be_asked_for_an_offer(wire, alice):
    call, invite = up(wire, alice)
    change = call.update_media(late_offer=True)
    again = wire.one()
    assert (again.method, again.body) == ("INVITE", b"")
    assert "Content-Type" not in again
    # §14.2: another INVITE meanwhile meets ours.
    wire.receive(theirs(wire, invite, "INVITE", body=b"more"))
    assert wire.starts() == [491]
    wire.receive(theirs(wire, invite, "ACK"))
    accepted = wire.answer(again, 200, body=b"theirs")
    wire.receive(accepted)
    ack = wire.one()
    assert (ack.method, ack.body) == ("ACK", b"answer to theirs")
    assert change.state == "Done"
    wire.receive(accepted)
    assert bytes(wire.one()) == bytes(ack)
    call.terminate()
    wire.over()


@pytest.mark.parametrize("body", [b"bad", b""])
def test_an_offer_in_a_2xx_that_cannot_be_taken_ends_the_call(wire, alice, body):
    # RFC 6337 §2.3
    call, _ = up(wire, alice)
    change = call.update_media(late_offer=True)
    wire.receive(wire.answer(wire.one(), 200, body=body))
    assert wire.starts() == ["ACK", "BYE"]
    assert change.state == "Failed"
    wire.over()


# ---------------------------------------------------------------- reliable responses to a re-INVITE


def test_an_answer_in_a_reliable_response_to_a_reinvite(wire, alice):
    call, _ = up(wire, alice)
    change = call.hold()
    again = wire.one()
    wire.receive(reliable(wire, again, 183, 7, body=b"a=recvonly"))
    wire.receive(reliable(wire, again, 183, 7, body=b"a=recvonly"))
    prack = wire.one()
    assert (prack.method, str(prack["RAck"])) == ("PRACK", f"7 {again.cseq.number} INVITE")
    wire.receive(wire.answer(prack, 200))
    wire.receive(wire.answer(again, 200))
    assert wire.starts() == ["ACK"]
    assert change.state == "Done"
    call.terminate()
    wire.over()


def test_an_offer_in_a_reliable_response_to_a_reinvite(wire, alice):
    call, _ = up(wire, alice)
    change = call.update_media(late_offer=True)
    again = wire.one()
    wire.receive(reliable(wire, again, 183, 7, body=b"theirs"))
    prack = wire.one()
    assert (prack.method, prack.body) == ("PRACK", b"answer to theirs")
    wire.receive(wire.answer(again, 200))
    ack = wire.one()
    assert (ack.method, ack.body, change.state) == ("ACK", b"", "Done")
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- both sides


@pytest.mark.parametrize("seed", range(6))
def test_the_example_of_rfc_3311(make_pair, media, seed):
    """§3, figure 1: both sides change early media; neither the 200 nor the ACK brings any."""
    pair = make_pair(seed, loss=0.2 if seed else 0.0)
    for agent in (pair.alice, pair.bob):
        agent.open_session = lambda dialog, flow: media()
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    (its,) = pair.bob.dialogs
    its.ring(180, media=True)
    pair.run(lambda: mine._invite.agreed and not mine._invite.unacknowledged)
    first = mine.hold()
    pair.run(lambda: first.state == "Done")
    second = its.update_media()
    pair.run(lambda: second.state == "Done")
    its.accept()
    pair.run(lambda: its._invited is None)
    assert mine.state == its.state == "InDialog"
    if not seed:
        said = [(who, what) for _, who, what in pair.said()]
        assert said == [
            ("alice", "INVITE"),
            ("bob", 180),
            ("alice", "PRACK"),
            ("bob", 200),
            ("alice", "UPDATE"),
            ("bob", 200),
            ("bob", "UPDATE"),
            ("alice", 200),
            ("bob", 200),
            ("alice", "ACK"),
        ]
    mine.terminate()
    pair.quiet()


# ---------------------------------------------------------------- hold by the address


DESCRIPTION = (
    b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\na=ptime:20\r\n"
    b"m=video 11 RTP/AVP 96\r\nc=IN IP4 10.0.0.2\r\na=inactive\r\n"
)


@pytest.mark.parametrize("later", [False, True])
def test_a_hold_of_the_old_style(wire, alice, later):
    # RFC 3264 §8.4
    call, _ = up(wire, alice)
    pending = Pending()
    wire.medias[0].offer = lambda direction: pending if later else DESCRIPTION
    change = call.hold(by_address=True)
    if later:
        pending.resolve(DESCRIPTION)
    again = wire.one()
    assert again.body == (
        b"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\na=ptime:20\r\n"
        b"m=video 11 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    )
    wire.receive(wire.answer(again, 200, body=b"yes"))
    assert change.state == "Done"
    assert call.held


def test_over_ipv6_there_is_no_such_hold(wire, alice):
    call, _ = up(wire, alice)
    offer = b"v=0\r\nc=IN IP6 ::1\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n"
    wire.medias[0].offer = lambda direction: offer
    call.hold(by_address=True)
    assert wire.sent()[-1].body == offer


def test_an_offer_of_the_old_style_that_fails(wire, alice):
    call, _ = up(wire, alice)
    pending = Pending()
    wire.medias[0].offer = lambda direction: pending
    change = call.hold(by_address=True)
    pending.fail(ValueError("no"))
    assert change.state == "Failed"
    wire.medias[0].offer = lambda direction: None
    assert call.hold(by_address=True).state == "Failed"


# ---------------------------------------------------------------- what waits


def test_a_change_waits_for_the_answer_to_a_prack(wire, bob):
    call = wire.invited(headers=["Supported: 100rel"], body=b"offer")
    call.ring(183, media=True)
    first = wire.one()
    rack = f"RAck: {first['RSeq']} 1 INVITE"
    wire.receive(wire.within(first, "PRACK", 2, headers=[rack]))
    call.ring(182, reliable=True)
    _, second = wire.sent()
    pending = Pending()
    wire.medias[0].answer = lambda offer: pending
    rack = f"RAck: {second['RSeq']} 1 INVITE"
    wire.receive(wire.within(second, "PRACK", 3, headers=[rack], body=b"more"))
    change = call.hold()
    call.accept()
    assert (wire.sent(), change.state) == ([], "Waiting")
    pending.resolve(b"answer")
    answers = wire.sent()
    assert [start.cseq.method for start in answers] == ["PRACK", "INVITE"]
    wire.acknowledge(answers[1])
    assert [one.method for one in wire.sent()] == ["INVITE"]
    assert change.state == "Sent"
    call.terminate()
    wire.over()


def test_a_change_waits_for_the_answer_to_an_update(wire, alice):
    call, invite = up(wire, alice)
    pending = Pending()
    wire.medias[0].answer = lambda offer: pending
    wire.receive(theirs(wire, invite, body=b"more"))
    change = call.hold()
    assert (wire.sent(), change.state) == ([], "Waiting")
    pending.fail(NegotiationError("no"))
    refusal, again = wire.sent()
    assert (refusal.status, again.method) == (488, "INVITE")
    call.terminate()
    wire.over()


def test_an_agent_whose_call_has_no_media_takes_no_offer(wire):
    agent = wire.agent("sip:alice@atlanta.com", open_session=lambda dialog, flow: None)
    _, invite = up(wire, agent)
    wire.receive(theirs(wire, invite, body=b"more"))
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"")


def test_media_that_cannot_be_opened_for_it_refuses_it(wire):
    agent = wire.agent("sip:alice@atlanta.com", offers=False, open_session=lambda *_: 1 / 0)
    call, invite = wire.invite(agent)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    wire.receive(theirs(wire, invite, body=b"more"))
    assert wire.starts() == [500]
    assert call.state == "InDialog"


def test_media_may_begin_with_an_update(wire, alice):
    alice.offers = False
    call, invite = wire.invite(alice)
    assert invite.body == b""
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    wire.receive(theirs(wire, invite, body=b"more"))
    assert wire.one().body == b"answer to more"
    assert wire.medias[0].done == ["answer", "start"]
    call.terminate()
    wire.over()


def test_an_answer_to_one_that_crosses_our_bye_changes_nothing(wire, alice):
    call, invite = up(wire, alice)
    pending = Pending()
    call.session.answer = lambda offer: pending
    wire.receive(theirs(wire, invite, body=b"other"))
    call.terminate()
    bye = wire.one()
    wire.happened.clear()
    call.session.done.clear()
    pending.resolve(b"answer")
    assert wire.starts() == [200]
    assert (wire.happened, call.session.done) == ([], [])
    wire.receive(wire.answer(bye, 200))
    wire.over()

"""INVITE inside a call (RFC 3261 §14.2), and what it may cross with (RFC 5407)."""

import pytest

from sipparty.sip.events import CallEstablished


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


@pytest.fixture
def up(wire, talker):
    """A call that is up: the call, and its 200."""
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "ACK", 1))
    wire.medias[0].done.clear()
    return call, answer


def reinvite(wire, answer, number=2, **changes):
    wire.receive(wire.within(answer, "INVITE", number, **changes))


def test_an_offer_is_answered(wire, up):
    call, answer = up
    reinvite(wire, answer, body=b"second")
    again = wire.one()
    assert (again.status, again.body) == (200, b"answer to second")
    assert again.to.tag == answer.to.tag
    assert again.lines("To") == answer.lines("To")
    assert again.contact.uri_text == answer.contact.uri_text
    assert wire.medias[0].done == ["answer", "start"]
    wire.pass_until(0.5)
    assert wire.starts() == [200]  # until it is acknowledged
    wire.receive(wire.within(again, "ACK", 2))
    wire.pass_until(100)
    assert wire.sent() == []
    assert call.state == "InDialog"
    assert [type(event) for event in wire.happened].count(CallEstablished) == 1


def test_without_an_offer_the_200_brings_one(wire, up):
    call, answer = up
    reinvite(wire, answer)
    again = wire.one()
    assert again.body == b"offer"
    wire.receive(wire.within(again, "ACK", 2, body=b"yes"))
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


def test_an_agent_without_media_takes_any(wire):
    wire.agent()
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "ACK", 1))
    reinvite(wire, answer, body=b"whatever")
    again = wire.one()
    assert (again.status, again.body) == (200, b"")


@pytest.mark.parametrize(("body", "status"), [(b"bad", 488), (b"garbage", 400)])
def test_an_offer_that_cannot_be_agreed_on_leaves_the_call_as_it_was(wire, up, body, status):
    call, answer = up
    reinvite(wire, answer, body=body, contact="<sip:alice@10.0.0.10>")
    refusal = wire.one()
    assert refusal.status == status
    assert refusal["Warning"].startswith("399 ")
    assert call.state == "InDialog"
    assert wire.medias[0].done == []
    assert call.remote_target == "sip:alice@10.0.0.9"
    reinvite(wire, answer, 3, body=b"better")
    assert wire.starts() == [200]


def test_a_warning_is_a_quoted_string_whatever_the_reason_says(wire, up, monkeypatch):
    from sipparty.errors import NegotiationError

    def answer_quotes(offer):
        raise NegotiationError('a "quoted\\ \t thing"')

    call, answer = up
    monkeypatch.setattr(call.session, "answer", answer_quotes)
    reinvite(wire, answer, body=b"x")
    assert wire.one()["Warning"] == "399 sipparty \"a 'quoted' 't thing'\""


@pytest.mark.parametrize("kind", ["text/plain", None])
def test_a_body_that_is_no_description(wire, up, kind):
    _, answer = up
    reinvite(wire, answer, body=b"x", kind=kind)
    refusal = wire.one()
    assert refusal.status == 415
    assert refusal["Accept"] == ("application/sdp", "multipart/mixed", "multipart/alternative")


def test_it_may_move_the_target(wire, up):
    # §12.2.2: a target refresh.
    call, answer = up
    reinvite(wire, answer, body=b"second", contact="<sip:alice@10.0.0.10:5070>;x=y")
    again = wire.one()
    wire.receive(wire.within(again, "ACK", 2))
    call.terminate()
    bye, flow = wire.way()
    assert bye.uri_text == "sip:alice@10.0.0.10:5070"
    assert flow.remote == ("10.0.0.10", 5070)


@pytest.mark.parametrize("contact", ["<tel:+15551234>", "<sip:a%2@c>", "<sip:alice@10.0.0.9"])
def test_a_target_that_is_none_is_refused_before_media_is_touched(wire, up, contact):
    call, answer = up
    reinvite(wire, answer, body=b"second", contact=contact)
    assert wire.starts() == [400]
    assert wire.medias[0].done == []
    assert call.remote_target == "sip:alice@10.0.0.9"


def test_a_route_set_is_for_life(wire, up):
    call, answer = up
    reinvite(wire, answer, body=b"second", headers=["Record-Route: <sip:10.0.0.7;lr>"])
    wire.receive(wire.within(wire.one(), "ACK", 2))
    call.terminate()
    assert "Route" not in wire.one()


def test_a_second_invite_before_the_first_is_answered(wire, talker):
    # §14.2: 500, to be tried again in 0 to 10 seconds.
    call = wire.invited(body=b"first")
    call.ring()
    ringing = wire.one()
    reinvite(wire, ringing, body=b"second")
    refusal = wire.one()
    assert refusal.status == 500
    assert 0 <= int(refusal["Retry-After"]) <= 10
    wire.receive(wire.within(ringing, "ACK", 2, branch="z9hG4bKINVITE2"))
    call.accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "ACK", 1))
    wire.pass_until(40)
    assert wire.sent() == []
    assert call.state == "InDialog"


def test_an_invite_before_the_ack_says_that_the_200_came(wire, talker):
    # RFC 5407 §3.1.4: the ACK was lost; the session does not need it.
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()
    reinvite(wire, answer, body=b"second")
    again = wire.one()
    assert (again.status, again.body, again.cseq.number) == (200, b"answer to second", 2)
    assert again.lines("To") == answer.lines("To")
    assert [type(event) for event in wire.happened].count(CallEstablished) == 1
    wire.receive(wire.within(answer, "ACK", 1))  # late, and without effect on the second
    wire.pass_until(0.5)
    assert wire.starts() == [200]
    wire.receive(wire.within(again, "ACK", 2))
    wire.pass_until(40)
    assert wire.sent() == []
    assert call.state == "InDialog"


def test_an_invite_while_our_offer_is_not_answered(wire, talker):
    # RFC 5407 §3.1.5.
    call = wire.invited()
    call.accept()
    answer = wire.one()
    reinvite(wire, answer, body=b"second")
    assert wire.starts() == [491]
    wire.receive(wire.within(answer, "ACK", 2, branch="z9hG4bKINVITE2"))
    wire.receive(wire.within(answer, "ACK", 1, body=b"yes"))
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


def test_an_invite_that_crosses_our_bye(wire, up):
    # RFC 5407 §3.2.2.
    call, answer = up
    call.terminate()
    bye = wire.one()
    reinvite(wire, answer, body=b"second")
    assert wire.starts() == [481]
    assert wire.medias[0].done == []
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"


def test_a_request_of_another_method_that_crosses_our_bye(wire, up):
    # RFC 5407 §3.3.3: no request changes a dialog that is ending.
    call, answer = up
    call.terminate()
    wire.sent()
    wire.receive(wire.within(answer, "REFER", headers=["Refer-To: <sip:carol@10.0.0.8>"]))
    assert wire.starts() == [481]
    assert call.state == "TerminatingDialog"


def test_a_200_to_it_that_is_never_acknowledged_ends_the_call(wire, up):
    call, answer = up
    wire.pass_until(100)
    reinvite(wire, answer, body=b"second")
    wire.pass_until(131.999)
    assert call.state == "InDialog"
    wire.sent()
    wire.pass_until(132)
    assert wire.starts() == ["BYE"]
    assert call.last_error.status == 408


def test_no_change_of_ours_follows_a_200_that_is_never_acknowledged(wire, up):
    call, answer = up
    reinvite(wire, answer, body=b"other")
    hold = call.hold()
    wire.sent()
    wire.pass_until(wire.now + 33)
    assert "INVITE" not in wire.starts()
    assert call.state == "TerminatingDialog"
    wire.over()
    assert hold.state == "Failed"


def test_hanging_up_waits_for_its_ack(wire, up):
    call, answer = up
    reinvite(wire, answer, body=b"second")
    again = wire.one()
    call.terminate()
    assert wire.sent() == []
    wire.receive(wire.within(again, "ACK", 2))
    assert wire.starts() == ["BYE"]


def test_a_caller_takes_it_too(wire, talker):
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    ack = wire.one()
    wire.receive(
        wire.request(
            "INVITE",
            "sip:bob@10.0.0.1",
            from_=str(ack.to),
            to=str(ack.from_),
            call_id=ack.call_id,
            number=1,
            body=b"theirs",
            contact="<sip:bob@10.0.0.9>",
        )
    )
    again = wire.one()
    assert (again.status, again.body) == (200, b"answer to theirs")
    assert again.lines("To") == [str(ack.from_)]
    assert call._invited is not None


# ---------------------------------------------------------------- a peer that moves (§12.2.2)

MOVED = ("10.0.0.77", 5060)


def moved(wire, answer, **changes):
    """The peer asks for another session from another address."""
    flow = wire.flow_by(remote=MOVED)
    again = wire.within(answer, "INVITE", 2, body=b"second", **changes)
    wire.receive(again, flow)
    return wire.sent()[-1], flow


def test_a_peer_that_has_moved_is_followed_once_it_acknowledges(wire, up):
    """A phone whose network has changed: what goes back to it goes to where it is now."""
    call, answer = up
    again, flow = moved(wire, answer)
    assert call.dialog_state.back.remote == wire.flow.remote
    wire.receive(wire.within(again, "ACK", 2), flow)
    assert call.dialog_state.back.remote == MOVED
    assert call.dialog_state.endpoint == flow.endpoint


def test_one_that_does_not_acknowledge_from_there_is_not(wire, up):
    call, answer = up
    moved(wire, answer)
    wire.pass_until(40)
    assert call.dialog_state is None or call.dialog_state.back.remote == wire.flow.remote


def test_a_source_that_only_a_change_came_from_leaves_nothing(wire, up):
    _, answer = up
    moved(wire, answer)
    wire.over()
    assert not wire.core.transactions.shares.by_source


def test_a_change_that_waits_for_an_ack_waits_for_an_invite_in_its_place_too(wire, talker):
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()
    hold = call.hold()
    reinvite(wire, answer, body=b"second")  # and the ACK before was lost (RFC 5407 §3.1.4)
    assert wire.one().body == b"answer to second"
    assert hold.state == "Waiting"
    wire.receive(wire.within(answer, "ACK", 2))
    assert wire.one().method == "INVITE"
    assert hold.state == "Sent"


def test_a_contact_that_nothing_can_be_sent_to_is_no_target(wire, up):
    call, answer = up
    reinvite(wire, answer, body=b"second", contact="<sip:alice@10.0.0.9;maddr=a/b>")
    assert wire.starts() == [400]
    hold = call.hold()
    wire.receive(wire.answer(wire.one(), 200, contact="<sip:a@b;maddr=a/b>", body=b"yes"))
    assert wire.starts() == ["ACK"]
    assert hold.state == "Done"
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_media_that_cannot_start_ends_the_call_and_the_invite_that_came_for_the_ack(wire, talker):
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()

    def fail():
        raise OSError("no such device")

    wire.medias[0].start = fail
    reinvite(wire, answer, body=b"second")
    refusal, bye = wire.sent()
    assert (refusal.status, bye.method) == (487, "BYE")
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    wire.over()

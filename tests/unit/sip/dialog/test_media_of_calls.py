"""When a call's media begins, where it is, what it weighs, and what becomes of what it raises."""

import pytest

from sipparty.errors import PortsExhausted
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def fail(*_):
    raise RuntimeError("no sound")


def ended(wire):
    (event,) = [event for event in wire.happened if isinstance(event, CallEnded)]
    return event


# -------------------------------------------------------------------- when


def test_media_is_sent_from_the_ack_on(wire, talker):
    """Whoever forges an INVITE had media sent to anybody: an ACK takes having read our answer."""
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.pass_until(wire.now + 30)
    wire.sent()
    assert wire.medias[0].done == ["answer"]
    wire.acknowledge(answer)
    assert wire.medias[0].done == ["answer", "start"]
    wire.acknowledge(answer)
    assert wire.medias[0].done == ["answer", "start"]


def test_without_an_ack_there_is_none(wire, talker):
    wire.invited(body=b"theirs").accept()
    wire.pass_until(wire.now + 300)
    assert wire.medias[0].done == ["answer", "stop"]


def test_who_hung_up_before_the_ack_sends_nothing(wire, talker):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    call.terminate()
    wire.acknowledge(answer)
    assert wire.one().method == "BYE"
    assert "start" not in wire.medias[0].done


def test_media_follows_an_invite_inside_the_call_at_once(wire, talker):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.medias[0].done.clear()
    wire.receive(wire.within(answer, "INVITE", 2, body=b"moved"))
    assert wire.medias[0].done == ["answer", "start"]
    wire.acknowledge(wire.one(), 2)
    assert wire.medias[0].done == ["answer", "start"]


# -------------------------------------------------------------------- what it raises


def test_media_that_does_not_begin_ends_the_call_that_we_took(wire, talker, caplog):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.medias[0].start = fail
    wire.acknowledge(answer)
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    assert str(ended(wire).error) == "The media could not be started: no sound"
    assert CallEstablished not in wire.kinds()
    assert "could not be started" in caplog.text
    wire.over()


def test_media_that_does_not_go_on_ends_the_call(wire, talker, caplog):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.medias[0].start = fail
    wire.receive(wire.within(answer, "INVITE", 2, body=b"moved"))
    assert wire.one().status == 200
    wire.acknowledge(answer, 2)
    assert wire.one().method == "BYE"
    assert call.last_error is not None


def test_media_that_raises_refuses_an_invite_inside_the_call(wire, talker, caplog):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.medias[0].answer = fail
    wire.receive(wire.within(answer, "INVITE", 2, body=b"other"))
    assert wire.one().status == 500
    assert call.state == "InDialog"
    assert "The media failed" in caplog.text
    assert "no sound" in caplog.text


def test_media_that_does_not_begin_ends_the_call_that_we_made(wire, alice, caplog):
    call, invite = wire.invite(alice)
    wire.medias[0].start = fail
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert wire.starts() == ["ACK", "BYE"]
    assert str(call.last_error) == "The media could not be started: no sound"


def test_early_media_that_does_not_begin_is_done_without(wire, alice, caplog):
    call, invite = wire.invite(alice)
    wire.medias[0].start = fail
    wire.receive(wire.answer(invite, 183, body=b"theirs"))
    assert call.state == "InitiatingDialog"
    del wire.medias[0].start
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert call.state == "InDialog"
    assert wire.starts() == ["ACK"]
    assert "early media" in caplog.text


# -------------------------------------------------------------------- where


OTHER = ("UDP", "192.0.2.4", 5060)


def test_another_target_by_another_address_gets_another_offer(wire, alice):
    """The new INVITE had the new Via, and a c= line of the family that had failed."""
    flows = iter(
        [
            wire.flow_by(local=("2001:db8::1", 5060), remote=("2001:db8::9", 5060)),
            wire.flow_by(local=("192.0.2.1", 5060), remote=("192.0.2.9", 5060)),
        ]
    )
    wire.give_flow = lambda wanted: wire.core.flow_found(wanted, next(flows), wire.now)
    _, first = wire.invite(alice, "sip:bob@biloxi.com")
    wire.medias[0].offer = fail
    wire.receive(wire.answer(first, 503))
    ack, second = wire.sent()
    assert (ack.method, second.method) == ("ACK", "INVITE")
    assert second.via.host == "192.0.2.1"
    assert [media.done for media in wire.medias] == [["offer", "stop"], ["offer"]]
    assert second.body == b"offer"


def test_another_target_by_the_same_way_has_the_same_offer(wire, alice):
    flows = iter([wire.flow, wire.flow_by(remote=(wire.flow.remote[0], 5062))])
    wire.give_flow = lambda wanted: wire.core.flow_found(wanted, next(flows), wire.now)
    _, first = wire.invite(alice, "sip:bob@biloxi.com")
    wire.receive(wire.answer(first, 503))
    _, second = wire.sent()
    assert second.body == b"offer"
    assert [media.done for media in wire.medias] == [["offer"]]


# -------------------------------------------------------------------- what it weighs


def test_what_a_session_keeps_counts_from_the_answer_to_the_end(wire, talker):
    def weight():
        return wire.core.transactions.held

    call = wire.invited(body=b"theirs")
    before = call.bytes_held
    wire_open = talker.open_session

    def open_heavy(dialog, flow):
        session = wire_open(dialog, flow)
        session.size = 10_000
        return session

    talker.open_session = open_heavy
    call.accept()
    assert call.bytes_held == before + 10_000
    answer = wire.one()
    wire.acknowledge(answer)
    total = weight()
    wire.medias[0].size = 400_000
    wire.receive(wire.within(answer, "INVITE", 2, body=b"heavier"))
    assert call.bytes_held == before + 400_000
    assert weight() >= total + 390_000
    wire.acknowledge(wire.one(), 2)
    wire.receive(wire.within(answer, "BYE", 3))
    assert call.bytes_held == 0
    wire.over()
    assert weight() == 0


def test_what_they_answer_counts_too(wire, alice):
    call, invite = wire.invite(alice)
    wire.medias[0].size = 10_000
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert call.bytes_held > 10_000
    # And so with an answer in an ACK.
    wire.receive(wire.request("INVITE", "sip:alice@atlanta.com", call_id="late", branch="z9hG4bKl"))
    late = wire.happened[-1].call
    late.accept()
    answer = next(one for one in wire.sent() if getattr(one, "status", 0) == 200)
    before = late.bytes_held
    wire.medias[1].size = 20_000
    wire.acknowledge(answer, body=b"theirs")
    assert late.bytes_held == before + 20_000


# -------------------------------------------------------------------- media with nothing to offer


def test_media_without_an_offer_of_its_own_is_opened_for_theirs(wire):
    wire.agent(media=True, offers=False)
    wire.invited(body=b"theirs").accept()
    assert wire.one().body == b"answer to theirs"
    assert wire.medias[0].done == ["answer"]


def test_and_is_not_opened_without_one(wire):
    wire.agent(media=True, offers=False)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    assert answer.body == b""
    wire.acknowledge(answer)
    assert (call.state, call.session, wire.medias) == ("InDialog", None, [])
    # An offer inside of the call (RFC 3261 §14.2) is answered by one that is opened then.
    wire.receive(wire.within(answer, "INVITE", 2, body=b"later"))
    assert wire.one().body == b"answer to later"
    assert wire.medias[0].done == ["answer", "start"]


def test_a_call_of_ours_without_an_offer_has_none(wire):
    alice = wire.agent("sip:alice@atlanta.com", media=True, offers=False)
    alice.reject_offer = lambda offer, address: b"nothing of " + offer
    call, invite = wire.invite(alice)
    assert (invite.body, wire.medias) == (b"", [])
    wire.receive(wire.answer(invite, 200, body=b"offer"))
    assert wire.one().body == b"nothing of offer"  # §13.2.2.4: the ACK answers
    assert (call.state, call.session) == ("InDialog", None)


# -------------------------------------------------------------------- media that cannot be had


def test_no_ports_are_left_for_a_call(wire, talker):
    def exhausted(dialog, flow):
        raise PortsExhausted("none is left")

    call = wire.invited(body=b"theirs")
    talker.open_session = exhausted
    call.accept()
    refusal = wire.one()
    assert (refusal.status, refusal["Retry-After"]) == (503, "10")


def test_a_fault_of_a_session_is_reported_with_its_call(wire, talker, caplog):
    """An INVITE that is answered at once is reported when its media is there, or has raised."""
    talker.observed = talker.auto_answer = True
    talker.open_session = fail
    wire.receive(wire.request("INVITE", body=b"theirs"))
    assert wire.one().status == 500
    assert wire.kinds() == [CallReceived, CallEnded]

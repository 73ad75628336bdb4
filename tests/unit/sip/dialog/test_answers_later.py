"""Media sessions that take their time for an offer, an answer, or to accept one; and what may come
in between.
"""

import pytest

from sipparty.errors import NegotiationError
from sipparty.sip.dialog.offer_answer import ANSWERED_IN, OfferAnswer, is_hold
from sipparty.sip.dialog.session import Pending


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


@pytest.fixture
def slow(wire, talker):
    """Makes sessions that take their time for some of what they are asked; gives what pends."""
    waiting = []
    fast = talker.open_session

    def make(*names, agent=talker):
        def open_slow(dialog, flow):
            session = fast(dialog, flow)
            for name in names:

                def later(*arguments, name=name):
                    pending = Pending()
                    waiting.append((name, pending))
                    session.done.append(f"{name} begun")
                    return pending

                setattr(session, name, later)
            return session

        agent.open_session = open_slow
        return waiting

    return make


def resolve(wire, waiting, value=b"made"):
    waiting.pop(0)[1].resolve(value)
    wire.pump()


# ---------------------------------------------------------------- being called


def test_the_200_waits_for_the_answer(wire, slow):
    waiting = slow("answer")
    call = wire.invited(body=b"theirs")
    call.accept()
    assert wire.sent() == []
    assert call.state == "InitiatingDialog"
    wire.pass_until(5)
    assert wire.starts() == [100]
    resolve(wire, waiting)
    answer = wire.one()
    assert (answer.status, answer.body, call.state) == (200, b"made", "InDialog")


def test_one_that_rings_may_be_accepted_before_its_answer_is_there(wire, slow):
    waiting = slow("answer")
    call = wire.invited(body=b"theirs")
    call.ring(183, media=True)
    assert wire.sent() == []
    call.accept()
    resolve(wire, waiting)
    assert [(one.status, one.body) for one in wire.sent()] == [(183, b"made"), (200, b"made")]


def test_an_answer_that_fails_later_refuses_the_call(wire, slow):
    waiting = slow("answer")
    call = wire.invited(body=b"theirs")
    call.accept()
    waiting.pop()[1].fail(NegotiationError("Nothing in common."))
    wire.pump()
    assert wire.one().status == 488
    assert call.state == "Error"


@pytest.mark.parametrize("end", ["cancel", "terminate", "reject", "bye", "patience"])
def test_a_call_that_ends_meanwhile_gives_everything_back(wire, slow, end):
    waiting = slow("answer")
    call = wire.invited(body=b"theirs")
    call.accept()
    if end == "cancel":
        wire.receive(wire.request("CANCEL"))
    elif end == "terminate":
        call.terminate()
    elif end == "reject":
        call.reject()
    elif end == "bye":
        bye = wire.request(
            "BYE",
            to=f"<sip:bob@biloxi.com>;tag={call.dialog_state.local_tag}",
            number=2,
            branch="z9hG4bKbye",
        )
        wire.receive(bye)
    else:
        wire.pass_until(181)
    wire.sent()
    assert call.state in ("Terminated", "Error")
    assert wire.medias[0].done == ["answer begun", "stop"]
    resolve(wire, waiting)
    assert [one for one in wire.sent() if getattr(one, "status", 0) == 200] == []
    assert call.state in ("Terminated", "Error")
    assert not wire.core.dialogs


def test_calls_that_are_answered_by_themselves_wait_too(wire, slow, talker):
    waiting = slow("answer")
    talker.auto_answer = True
    call = wire.invited(body=b"theirs")
    assert wire.starts() == [180]
    resolve(wire, waiting)
    assert wire.starts() == [200]
    assert call.state == "InDialog"


def test_an_answer_in_the_ack_is_taken_later(wire, slow):
    waiting = slow("accept")
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer, body=b"yes")
    assert wire.medias[0].done == ["offer", "accept begun"]
    resolve(wire, waiting, None)
    assert wire.medias[0].done == ["offer", "accept begun", "start"]
    assert call.state == "InDialog"


# ---------------------------------------------------------------- inside the call


@pytest.fixture
def up(wire, talker, slow):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    return call, answer


def reinvite(wire, answer, number=2, **changes):
    wire.receive(wire.within(answer, "INVITE", number, body=b"other", **changes))


def later(session, name):
    pending = Pending()
    setattr(session, name, lambda *_: pending)
    return pending


def test_a_reinvite_waits_and_another_one_meanwhile_is_500(wire, up):
    call, answer = up
    pending = later(wire.medias[0], "answer")
    reinvite(wire, answer)
    assert wire.sent() == []
    reinvite(wire, answer, 3)
    refusal = wire.one()
    assert refusal.status == 500
    assert "Retry-After" in refusal
    pending.resolve(b"made")
    wire.pump()
    assert [(one.status, one.body) for one in wire.sent()] == [(200, b"made")]
    assert call.state == "InDialog"


def test_a_reinvite_may_be_cancelled_meanwhile(wire, up):
    call, answer = up
    pending = later(wire.medias[0], "answer")
    rolled = []
    wire.medias[0].rollback = lambda: rolled.append(True)
    reinvite(wire, answer)
    wire.receive(wire.within(answer, "CANCEL", 2, branch="z9hG4bKINVITE2"))
    assert wire.starts() == [200, 487]
    assert rolled == []  # it is busy yet
    pending.resolve(b"made")
    wire.pump()
    assert rolled == [True]
    assert wire.sent() == []
    assert call.state == "InDialog"
    del wire.medias[0].answer
    reinvite(wire, answer, 4)
    assert wire.one().status == 200


def test_the_call_may_end_meanwhile(wire, up):
    call, answer = up
    pending = later(wire.medias[0], "answer")
    reinvite(wire, answer)
    wire.receive(wire.within(answer, "BYE", 3))
    assert call.state == "Terminated"
    pending.resolve(b"made")
    wire.pump()
    assert 200 in wire.starts()
    wire.over()


def test_theirs_while_our_offer_is_being_made_is_491(wire, up):
    call, answer = up
    pending = later(wire.medias[0], "offer")
    hold = call.hold()
    assert hold.state == "Describing"
    reinvite(wire, answer)
    assert wire.one().status == 491
    pending.resolve(b"offer")
    wire.pump()
    assert wire.one().method == "INVITE"


# ---------------------------------------------------------------- calling


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def test_the_invite_waits_for_its_offer(wire, slow, alice):
    from sipparty.sip import SimpleCall

    waiting = slow("offer", agent=alice)
    call = SimpleCall(alice)
    call.invite("sip:bob@10.0.0.9")
    assert wire.sent() == []
    resolve(wire, waiting)
    assert wire.one().body == b"made"


@pytest.mark.parametrize("outcome", ["made", "failed"])
def test_a_call_that_is_given_up_before_its_offer_is_never_sent(wire, slow, alice, outcome):
    from sipparty.sip import SimpleCall

    waiting = slow("offer", agent=alice)
    call = SimpleCall(alice)
    call.invite("sip:bob@10.0.0.9")
    wire.pump()
    call.terminate()
    if outcome == "made":
        resolve(wire, waiting)
    else:
        waiting.pop()[1].fail(RuntimeError("no address"))
        wire.pump()
    assert wire.sent() == []
    assert call.state == "Terminated"
    assert wire.medias[0].done[-1] == "stop"
    wire.over()


def test_an_offer_that_cannot_be_made_fails_the_call(wire, slow, alice):
    from sipparty.sip import SimpleCall

    waiting = slow("offer", agent=alice)
    call = SimpleCall(alice)
    call.invite("sip:bob@10.0.0.9")
    wire.pump()
    waiting.pop()[1].fail(RuntimeError("no address"))
    wire.pump()
    assert "no address" in str(call.last_error)


def test_the_answer_to_a_late_offer_goes_into_the_ack_when_it_is_there(wire, slow, alice):
    waiting = slow("answer", agent=alice)
    call, invite = wire.invite(alice, late_offer=True)
    ok = wire.answer(invite, 200, body=b"theirs")
    wire.receive(ok)
    wire.receive(ok)
    assert wire.sent() == []
    assert call.state == "InitiatingDialog"
    resolve(wire, waiting)
    ack = wire.one()
    assert (ack.method, ack.body, call.state) == ("ACK", b"made", "InDialog")


@pytest.mark.parametrize("end", ["terminate", "patience", "bye"])
def test_an_answered_call_that_ends_meanwhile_is_acknowledged_and_hung_up(wire, slow, alice, end):
    waiting = slow("accept", agent=alice)
    call, invite = wire.invite(alice, expires=20)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert call.state == "InitiatingDialog"
    if end == "terminate":
        call.terminate()
    elif end == "patience":
        wire.pass_until(20)
    else:
        wire.receive(
            wire.request(
                "BYE",
                to=str(invite["From"]),
                from_="<sip:bob@10.0.0.9>;tag=b1",
                call_id=invite.call_id,
                branch="z9hG4bKbye",
            )
        )
    assert wire.starts() == ([200, "ACK"] if end == "bye" else ["ACK", "BYE"])
    waiting.pop()[1].resolve(None)
    wire.pump()
    wire.pass_until(wire.now + 100)
    assert call.state in ("Terminated", "Error")
    wire.over()


def test_a_2xx_waits_for_the_preview_that_the_session_is_busy_with(wire, slow, alice):
    waiting = slow("accept", agent=alice)
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 183, body=b"early"))
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert [name for name, _ in waiting] == ["accept"]
    resolve(wire, waiting, None)
    resolve(wire, waiting, None)
    assert call.state == "InDialog"
    assert wire.one().method == "ACK"


# ---------------------------------------------------------------- the machine


class Silent:
    def offer(self):
        return b"offer"

    def answer(self, offer):
        return b"answer"

    def accept(self, answer):
        return None

    def rollback(self):
        pass


@pytest.mark.parametrize("place", list(ANSWERED_IN))
def test_where_an_answer_may_stand_follows_from_the_offer(place):
    offers = OfferAnswer(Silent(), None)
    made = []
    offers.make_offer(place, offers.session.offer, made.append, None)
    assert made == [b"offer"]
    assert not offers.may_offer
    every = {message for several in ANSWERED_IN.values() for message in several}
    assert {one for one in every if offers.answered_in(one)} == set(ANSWERED_IN[place])
    offers.take_answer(b"yes", lambda: made.append("agreed"), None)
    assert made[-1] == "agreed"
    assert offers.may_offer


@pytest.mark.parametrize(
    ("description", "held"),
    [
        (b"v=0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n", True),
        (b"v=0\na=inactive\nm=audio 9 RTP/AVP 0\n", True),
        (b"v=0\r\na=inactive\r\nm=audio 9 RTP/AVP 0\r\na=sendrecv\r\n", False),
        (b"v=0\r\nm=audio 0 RTP/AVP 0\r\na=inactive\r\nm=audio 9 RTP/AVP 0\r\n", False),
        (b"v=0\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", True),
        (b"v=0\r\nm=audio 9 RTP/AVP 0\r\na=recvonly\r\n", False),
        (b"v=0\r\nm=audio 9 RTP/AVP 0\r\na=fmtp:0 a=sendonly\r\n", False),
        (b"", False),
    ],
)
def test_what_puts_us_on_hold(description, held):
    assert is_hold(description) is held


def test_a_call_hung_up_while_its_answer_is_taken_is_hung_up_once(wire, talker, slow):
    pendings = slow("accept")
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    call.terminate()
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    ((_, accepted),) = pendings
    accepted.resolve(None)
    assert wire.starts() == []
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


@pytest.mark.parametrize("outcome", ["resolve", "fail"])
def test_an_offer_whose_answer_is_not_made_before_the_end_is_refused(wire, talker, slow, outcome):
    talker.reject_offer = lambda offer, host: b"none of " + offer
    pendings = slow("answer")
    call, invite = wire.invite(talker, late_offer=True)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    call.terminate()
    ack, bye = wire.sent()
    assert (ack.method, ack.body, bye.method) == ("ACK", b"none of theirs", "BYE")
    ((_, answered),) = pendings
    getattr(answered, outcome)(b"late" if outcome == "resolve" else NegotiationError("no"))
    assert wire.starts() == []
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


def test_a_reinvite_whose_answer_is_still_made_is_refused_when_we_hang_up(wire, talker):
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    session, pending = wire.medias[0], Pending()
    session.answer = lambda offer: pending
    wire.receive(wire.within(answer, "INVITE", 2, body=b"second"))
    call.terminate()
    refusal, bye = wire.sent()
    assert (refusal.status, bye.method) == (487, "BYE")
    pending.resolve(b"late")
    assert wire.starts() == []
    wire.receive(wire.within(answer, "ACK", 2, branch="z9hG4bKINVITE2"))
    wire.receive(wire.answer(bye, 200))
    assert session.done == ["answer", "start", "stop"]
    wire.over()


def test_who_has_answered_does_not_wait_for_our_media_for_ever(wire, talker, slow):
    pendings = slow("accept")
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    wire.pass_until(wire.now + 31)
    assert wire.starts() == []
    wire.pass_until(wire.now + 1)
    ack, bye = wire.sent()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert call.state == "Error"
    assert "not agreed on in time" in str(call.last_error)
    wire.receive(wire.answer(bye, 200))
    pendings[0][1].resolve(None)
    assert wire.starts() == []
    wire.over()

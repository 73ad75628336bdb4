"""A call that is answered more than once, by the branches of a fork (RFC 3261 §13.2.2.4)."""

import pytest

from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallEstablished, CallForked


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def forks(wire):
    return [event.fork for event in wire.happened if isinstance(event, CallForked)]


def answer(wire, invite, tag, **changes):
    changes.setdefault("body", b"yes")
    return wire.answer(invite, 200, tag=tag, contact=f"<sip:{tag}@10.0.0.9>", **changes)


def test_the_second_answer_is_acknowledged_and_hung_up(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(answer(wire, invite, "b1"))
    wire.sent()
    wire.receive(answer(wire, invite, "b2", headers=[("Record-Route", "<sip:10.0.0.9;lr>")]))
    ack, bye = wire.sent()
    (fork,) = forks(wire)
    assert fork in call.forks
    assert (ack.method, ack.to.tag, ack.uri_text) == ("ACK", "b2", "sip:b2@10.0.0.9")
    assert ack.lines("Route") == ["<sip:10.0.0.9;lr>"]
    assert ack.cseq.number == invite.cseq.number
    assert (bye.method, bye.to.tag) == ("BYE", "b2")
    assert bye.cseq.number > invite.cseq.number
    wire.receive(wire.answer(bye, 200))
    assert fork.state == "Terminated"
    assert call.state == "InDialog"
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert [type(event) for event in wire.happened].count(CallEstablished) == 1
    call.terminate()
    assert "Route" not in wire.one()
    wire.over()


def test_forks_have_an_end(wire, alice):
    call, invite = wire.invite(alice)
    for number in range(call.MAX_FORKS + 1):
        wire.receive(answer(wire, invite, f"b{number}"))
    assert wire.starts() == ["ACK", *["ACK", "BYE"] * call.MAX_FORKS]
    wire.receive(answer(wire, invite, "toomany"))
    assert wire.sent() == []
    assert len(call.forks) == call.MAX_FORKS
    call.terminate()
    wire.over()


def test_each_answer_that_comes_again_is_acknowledged_as_it_was(wire, alice):
    call, invite = wire.invite(alice)
    acks = {}
    for tag in ("b1", "b2", "b3"):
        wire.receive(answer(wire, invite, tag))
        acks[tag] = bytes(wire.sent()[0])
    for tag in ("b2", "b1", "b3", "b2"):
        wire.receive(answer(wire, invite, tag))
        assert bytes(wire.one()) == acks[tag]
    assert len(call.forks) == len(forks(wire)) == 2
    call.terminate()
    wire.over()


def test_an_agent_may_keep_them(wire, alice):
    alice.keep_forks = True
    call, invite = wire.invite(alice)
    wire.receive(answer(wire, invite, "b1"))
    wire.receive(answer(wire, invite, "b2"))
    first, ack, again = wire.sent()
    assert (first.method, ack.method, ack.to.tag) == ("ACK", "ACK", "b2")
    (fork,) = forks(wire)
    assert (fork.state, fork.role) == ("InDialog", "caller")
    assert len(wire.core.dialogs) == 2
    # It has media of its own, which a re-INVITE moves it to: the ports of the offer are the call's.
    assert (again.method, again.to.tag, again.body) == ("INVITE", "b2", b"offer")
    wire.receive(wire.answer(again, 200, contact=None, body=b"mine"))
    assert wire.one().to.tag == "b2"
    assert fork.session is not call.session
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert wire.medias[1].done == ["offer", b"accept mine", "start"]
    call.terminate()
    assert wire.one().to.tag == "b1"
    assert fork.state == "InDialog"
    fork.terminate()
    assert wire.one().to.tag == "b2"
    wire.over()


def test_the_peer_of_a_fork_that_is_kept_hangs_it_up_alone(wire, alice):
    alice.keep_forks = True
    call, invite = wire.invite(alice)
    wire.receive(answer(wire, invite, "b1"))
    wire.receive(answer(wire, invite, "b2"))
    _, ack, _ = wire.sent()
    wire.receive(
        wire.request("BYE", from_=str(ack.to), to=str(ack.from_), call_id=ack.call_id, number=7)
    )
    assert forks(wire)[0].state == "Terminated"
    assert call.state == "InDialog"


@pytest.mark.parametrize("keep_forks", [True, False])
@pytest.mark.parametrize("end", ["terminate", "give up", "refuse"])
def test_no_answer_to_a_call_that_nobody_wants_is_kept(wire, alice, keep_forks, end):
    alice.keep_forks = keep_forks
    call, invite = wire.invite(alice, expires=5)
    wire.receive(wire.answer(invite, 180, tag="b1"))
    if end == "terminate":
        call.terminate()
    elif end == "give up":
        wire.pass_until(5)
    wire.sent()
    wire.receive(answer(wire, invite, "b1", body=b"bad" if end == "refuse" else b"yes"))
    wire.receive(answer(wire, invite, "b2"))
    sent = wire.sent()
    assert [(message.method, message.to.tag) for message in sent] == [
        ("ACK", "b1"),
        ("BYE", "b1"),
        ("ACK", "b2"),
        ("BYE", "b2"),
    ]
    wire.over()
    assert call.state == ("Terminated" if end == "terminate" else "Error")


def test_provisional_responses_of_several_branches_are_progress(wire, alice):
    call, invite = wire.invite(alice)
    for tag, status in (("b1", 180), ("b2", 183), ("b3", 181)):
        wire.receive(wire.answer(invite, status, tag=tag))
        assert call.progress == status
    wire.receive(answer(wire, invite, "b2"))
    assert call.dialog_state.remote_tag == "b2"
    call.terminate()
    wire.over()


def test_the_first_answer_ends_with_bad_media_and_the_second_is_hung_up_too(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(answer(wire, invite, "b1", body=b""))
    assert wire.starts() == ["ACK", "BYE"]
    assert call.state == "Error"
    wire.over()


def test_an_early_dialog_that_was_left_is_there_again_by_its_own_2xx(wire, alice):
    alice.keep_forks = True
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180, tag="b1"))
    wire.receive(wire.answer(invite, 180, tag="b2"))
    wire.receive(answer(wire, invite, "b1"))
    wire.receive(answer(wire, invite, "b2"))
    (fork,) = forks(wire)
    wire.sent()
    bye = wire.request(
        *("BYE", "sip:alice@10.0.0.1"),
        to=str(invite["From"]),
        from_=f"{invite['To']};tag=b2",
        call_id=invite.call_id,
    )
    wire.receive(bye)
    assert wire.starts() == [200]
    assert (call.state, fork.state) == ("InDialog", "Terminated")
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_a_fork_that_is_kept_answers_the_offer_of_its_own_2xx(wire, alice):
    alice.keep_forks = True
    call, invite = wire.invite(alice, late_offer=True)
    wire.receive(answer(wire, invite, "b1", body=b"one"))
    wire.receive(answer(wire, invite, "b2", body=b"two"))
    assert [(one.to.tag, one.body) for one in wire.sent()] == [
        ("b1", b"answer to one"),
        ("b2", b"answer to two"),
    ]
    assert [media.done for media in wire.medias] == [["answer", "start"]] * 2
    for one in (call, *forks(wire)):
        one.terminate()
    wire.over()
    assert [media.done[-1] for media in wire.medias] == ["stop", "stop"]


@pytest.mark.parametrize("late_offer", [False, True])
def test_a_fork_whose_media_cannot_be_had_is_hung_up(wire, alice, late_offer):
    alice.keep_forks = True
    alice.reject_offer = lambda offer, address: b"none of " + offer
    call, invite = wire.invite(alice, late_offer=late_offer)
    wire.receive(answer(wire, invite, "b1"))
    wire.sent()
    if not late_offer:
        alice.open_session = lambda dialog, flow: 1 / 0
    wire.receive(answer(wire, invite, "b2", body=b"bad"))
    ack, bye = wire.sent()
    assert (ack.body, bye.method) == (b"none of bad" if late_offer else b"", "BYE")
    wire.receive(wire.answer(bye, 200))
    (fork,) = forks(wire)
    assert (fork.state, call.state) == ("Error", "InDialog")
    call.terminate()
    wire.over()


def test_a_fork_whose_media_takes_its_time_is_acknowledged_then(wire, alice):
    alice.keep_forks = True
    pending, make = Pending(), alice.open_session
    call, invite = wire.invite(alice, late_offer=True)
    wire.receive(answer(wire, invite, "b1"))
    wire.sent()

    def slow(dialog, flow):
        session = make(dialog, flow)
        session.answer = lambda offer: pending
        return session

    alice.open_session = slow
    wire.receive(answer(wire, invite, "b2", body=b"two"))
    assert (wire.sent(), forks(wire)) == ([], [])
    pending.resolve(b"mine")
    assert wire.one().body == b"mine"
    for one in (call, *forks(wire)):
        one.terminate()
    wire.over()


def test_a_fork_whose_media_never_comes_is_over_with_the_invite(wire, alice):
    alice.keep_forks = True
    make = alice.open_session
    call, invite = wire.invite(alice, late_offer=True)
    wire.receive(answer(wire, invite, "b1"))

    def slow(dialog, flow):
        session = make(dialog, flow)
        session.answer = lambda offer: Pending()
        return session

    alice.open_session = slow
    wire.receive(answer(wire, invite, "b2", body=b"two"))
    wire.pass_until(40)
    (fork,) = call.forks
    assert (fork.state, forks(wire)) == ("Error", [])
    assert wire.medias[1].done == ["stop"]
    assert len(wire.ended()) == 0
    call.terminate()
    wire.over()


def test_the_early_dialogs_of_a_call(wire, alice):
    call, invite = wire.invite(alice)
    assert call.early == ()
    wire.receive(wire.answer(invite, 180, tag="b1"))
    wire.receive(wire.answer(invite, 183, tag="b2", body=b"yes"))
    wire.receive(wire.answer(invite, 181, tag="b1"))
    one, two = call.early
    assert (one.tag, one.status, one.media) == ("b1", 181, "")
    assert (two.tag, two.status, two.media) == ("b2", 183, "preview")
    assert two.response.body == b"yes"
    reliably = [("Require", "100rel"), ("RSeq", "1")]
    for tag in ("b3", "b4"):
        wire.receive(wire.answer(invite, 183, tag=tag, headers=reliably, body=tag.encode()))
    assert [one.media for one in call.early] == ["", "", "agreed", "answered"]
    wire.receive(answer(wire, invite, "b4", body=b""))
    assert call.early == ()
    # Its own answer is taken, which came before the 2xx.
    assert wire.medias[0].done[-2:] == [b"accept b4", "start"]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def in_early(wire, invite, method, tag, number=1, **changes):
    """A request of a branch that rings."""
    return wire.request(
        *(method, "sip:alice@10.0.0.1"),
        to=str(invite["From"]),
        from_=f"{invite['To']};tag={tag}",
        call_id=invite.call_id,
        branch=f"z9hG4bK{method}{tag}{number}",
        number=number,
        **changes,
    )


def test_early_dialogs_of_other_branches_last_for_64_t1(wire, alice):
    # §13.2.2.4
    call, invite = wire.invite(alice)
    for tag in ("b1", "b2"):
        wire.receive(wire.answer(invite, 180, tag=tag))
    wire.receive(answer(wire, invite, "b1"))
    wire.sent()
    wire.pass_until(31)
    wire.receive(in_early(wire, invite, "OPTIONS", "b2"))
    wire.receive(in_early(wire, invite, "UPDATE", "b2", 2, contact="<sip:x@10.0.0.9>"))
    wire.receive(in_early(wire, invite, "UPDATE", "b2", 3, body=b"more"))
    wire.receive(in_early(wire, invite, "BYE", "b2", 4))
    assert wire.starts() == [200, 200, 500, 481]
    assert (call.state, call.remote_target) == ("InDialog", "sip:b1@10.0.0.9")
    wire.pass_until(33)
    wire.receive(in_early(wire, invite, "OPTIONS", "b2", 5))
    assert wire.starts() == [481]
    assert list(wire.core.dialogs) == [(invite.call_id, invite.from_.tag, "b1")]
    call.terminate()
    wire.over()


@pytest.mark.parametrize("end", ["terminate", "bye"])
def test_they_are_over_with_the_call(wire, alice, end):
    call, invite = wire.invite(alice)
    for tag in ("b1", "b2"):
        wire.receive(wire.answer(invite, 180, tag=tag))
    wire.receive(answer(wire, invite, "b1"))
    wire.sent()
    if end == "bye":
        wire.receive(in_early(wire, invite, "BYE", "b1"))
    else:
        call.terminate()
        wire.receive(wire.answer(wire.sent()[-1], 200))
    assert call.state == "Terminated"
    assert not wire.core.dialogs
    wire.over()


@pytest.mark.parametrize("status", [481, 404])
def test_a_request_that_another_branch_refuses_ends_nothing(wire, alice, status):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180, tag="b2"))
    call.send("INFO")
    info = wire.one()
    wire.receive(answer(wire, invite, "b1"))
    assert wire.starts() == ["ACK"]
    wire.receive(wire.answer(info, status))
    assert (call.state, wire.sent()) == ("InDialog", [])
    call.terminate()
    wire.over()


def test_a_fork_that_is_kept_without_media_takes_no_stream(wire):
    agent = wire.agent("sip:alice@atlanta.com", keep_forks=True)
    agent.reject_offer = lambda offer, address: b"none of " + offer
    _, invite = wire.invite(agent)
    wire.receive(answer(wire, invite, "b1", body=b""))
    wire.receive(answer(wire, invite, "b2", body=b"two"))
    assert [one.body for one in wire.sent()] == [b"", b"none of two"]
    assert forks(wire)[0].session is None


def test_a_fork_records_into_no_file_of_the_call(wire, alice):
    alice.keep_forks = True
    call, invite = wire.invite(alice)
    call.media = {"play": "hello.wav", "record": "call.wav"}
    wire.receive(answer(wire, invite, "b1"))
    wire.receive(answer(wire, invite, "b2"))
    (fork,) = forks(wire)
    assert fork.media == {"play": "hello.wav"}
    assert call.media["record"] == "call.wav"

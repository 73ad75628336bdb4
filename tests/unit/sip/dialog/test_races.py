"""The race conditions of RFC 5407, figure by figure, message by message.

Alice calls Bob. Where both are the stack's, a message takes 50 ms, and time is in hundredths of a
second; where one of them is the test, it writes the other's messages.
"""

import pytest

from sipparty.sip.auth import DigestClient
from sipparty.sip.events import CallEnded, CallEstablished, CallForked


@pytest.fixture
def pair(make_pair, wire):
    made = make_pair()
    made.alice.open_session = made.bob.open_session = wire._open
    return made


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def ringing(pair, **options):
    """A call that rings: both ends of it, at 0.1 s."""
    mine = pair.call(**options)
    pair.run(lambda: pair.bob.dialogs)
    (its,) = pair.bob.dialogs
    its.ring()
    pair.run(0.1)
    assert pair.said() == [(0, "alice", "INVITE"), (5, "bob", 180)]
    return mine, its


def up(pair):
    """A call that is up, from 0.2 s on."""
    mine, its = ringing(pair)
    its.accept()
    pair.run(0.3)
    assert pair.said()[2:] == [(10, "bob", 200), (15, "alice", "ACK")]
    return mine, its


def said(pair, since):
    later = [one for one in pair.said() if one[0] >= since]
    return sorted(later, key=lambda one: one[:2])  # what both send at once, Alice's first


def ended_once(events):
    return len([event for event in events if isinstance(event, CallEnded)]) == 1


# ---------------------------------------------------------------- §3.1: the moratorium


def test_3_1_1_all_provisional_responses_are_lost(pair):
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    (its,) = pair.bob.dialogs
    cut = pair.network.partition(["10.0.0.1"])
    its.ring()
    pair.run(0.06)
    pair.network.heal(cut)
    pair.network.at(0.52, its.accept)
    pair.run(1.0)
    assert pair.said() == [
        (0, "alice", "INVITE"),
        (5, "bob", 180),
        (50, "alice", "INVITE"),
        (52, "bob", 200),
        (57, "alice", "ACK"),
    ]
    assert mine.state == its.state == "InDialog"
    assert len([e for e in pair.bob_events if isinstance(e, CallEstablished)]) == 1


def test_3_1_2_cancel_crosses_the_200(pair):
    mine, its = ringing(pair)
    pair.network.at(0.2, mine.terminate)
    pair.network.at(0.2, its.accept)
    pair.run(1.0)
    assert said(pair, 20) == [
        (20, "alice", "CANCEL"),
        (20, "bob", 200),
        (25, "alice", "ACK"),
        (25, "alice", "BYE"),
        (25, "bob", 200),  # to the CANCEL, which changes nothing
        (30, "bob", 200),
    ]
    assert mine.state == its.state == "Terminated"
    assert (mine.ended_by, its.ended_by) == ("local", "remote")
    assert not [event for event in pair.alice_events if isinstance(event, CallEstablished)]
    pair.quiet()


def test_3_1_3_bye_of_the_early_state_crosses_the_200(wire, bob):
    call = wire.invited(body=b"theirs")
    call.ring()
    wire.sent()
    call.accept()
    answer = wire.one()
    wire.receive(wire.within(answer, "BYE"))
    assert wire.starts() == [200]
    assert call.state == "Terminated"
    wire.acknowledge(answer)
    assert wire.sent() == []
    assert (call.ended_by, call.last_error) == ("remote", None)
    wire.over()


def test_3_1_4_reinvite_crosses_a_200_sent_again(pair):
    mine, its = ringing(pair)
    its.accept()
    pair.run(0.14)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    pair.run(0.2)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    pair.network.at(0.6, mine.hold)
    pair.run(2.0)
    assert said(pair, 10) == [
        (10, "bob", 200),
        (15, "alice", "ACK"),  # lost
        (60, "alice", "INVITE"),
        (60, "bob", 200),  # again
        (65, "alice", "ACK"),  # again
        (65, "bob", 200),
        (70, "alice", "ACK"),
    ]
    assert mine.held
    assert mine.state == its.state == "InDialog"
    numbers = [one.cseq.number for one in messages(pair) if getattr(one, "method", "") == "ACK"]
    assert numbers[0] == numbers[1] == numbers[2] - 1  # that of its INVITE (§13.2.2.4)


def messages(pair):
    from sipparty.sip import Message

    return [Message.parse(item.data) for item in sorted(pair.network.log, key=lambda i: i.sent)]


def test_3_1_5_reinvite_crosses_an_offer_in_a_200(pair):
    mine, its = ringing(pair, late_offer=True)
    its.accept()
    pair.run(0.14)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    pair.run(0.2)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    pair.network.at(0.6, mine.hold)
    pair.run(0.9)
    assert said(pair, 10) == [
        (10, "bob", 200),
        (15, "alice", "ACK"),  # lost
        (60, "alice", "INVITE"),
        (60, "bob", 200),  # again
        (65, "alice", "ACK"),  # again
        (65, "bob", 491),
        (70, "alice", "ACK"),
    ]
    assert mine.state == its.state == "InDialog"
    pair.run(6.0)
    assert mine.held  # tried again


def test_3_1_6_bye_crosses_a_200_sent_again(pair):
    mine, its = ringing(pair)
    its.accept()
    pair.run(0.14)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0)
    pair.run(0.2)
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    pair.network.at(0.6, mine.terminate)
    pair.run(2.0)
    assert said(pair, 10) == [
        (10, "bob", 200),
        (15, "alice", "ACK"),  # lost
        (60, "alice", "BYE"),
        (60, "bob", 200),  # again
        (65, "alice", "ACK"),  # again
        (65, "bob", 200),  # to the BYE
    ]
    assert mine.state == its.state == "Terminated"
    assert ended_once(pair.alice_events)
    assert ended_once(pair.bob_events)
    pair.quiet()


# ---------------------------------------------------------------- §3.2: the mortal state


def test_3_2_1_byes_cross(pair):
    mine, its = up(pair)
    pair.network.at(0.4, mine.terminate)
    pair.network.at(0.4, its.terminate)
    pair.run(1.0)
    assert said(pair, 40) == [
        (40, "alice", "BYE"),
        (40, "bob", "BYE"),
        (45, "alice", 200),
        (45, "bob", 200),
    ]
    assert mine.state == its.state == "Terminated"
    assert ended_once(pair.alice_events)
    assert ended_once(pair.bob_events)
    pair.quiet()


def test_3_2_2_bye_crosses_a_reinvite(pair):
    mine, its = up(pair)
    changes = []
    pair.network.at(0.4, mine.terminate)
    pair.network.at(0.4, lambda: changes.append(its.hold()))
    pair.run(1.0)
    assert said(pair, 40) == [
        (40, "alice", "BYE"),
        (40, "bob", "INVITE"),
        (45, "alice", 481),
        (45, "bob", 200),
        (50, "bob", "ACK"),
    ]
    assert mine.state == its.state == "Terminated"
    assert changes[0].state == "Failed"
    pair.quiet()


def test_3_2_3_bye_crosses_the_200_of_a_reinvite(pair):
    mine, its = up(pair)
    changes = []
    pair.network.at(0.40, lambda: changes.append(its.hold()))
    pair.network.at(0.45, its.terminate)
    pair.run(1.0)
    assert said(pair, 40) == [
        (40, "bob", "INVITE"),
        (45, "alice", 200),
        (45, "bob", "BYE"),
        (50, "alice", 200),
        (50, "bob", "ACK"),
    ]
    assert mine.state == its.state == "Terminated"
    assert changes[0].state == "Done"  # for what that is worth
    pair.quiet()


def test_3_2_4_the_ack_comes_when_the_call_is_over_here(wire, bob):
    """Bob has hung up before the ACK came: RFC 3261 §15 has the BYE wait for it."""
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    call.terminate()
    assert wire.sent() == []
    wire.acknowledge(answer)
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert wire.medias[0].done == ["answer", "stop"]  # its media never starts
    assert call.state == "Terminated"
    wire.over()


def test_3_2_4_an_answer_in_an_ack_that_is_late_is_ignored(wire, bob):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    call.terminate()
    wire.acknowledge(answer, body=b"theirs")
    assert wire.starts() == ["BYE"]
    assert wire.medias[0].done == ["offer"]


# ---------------------------------------------------------------- §3.3: others


def test_3_3_1_reinvites_cross(pair):
    mine, its = up(pair)
    pair.network.at(0.4, mine.hold)
    pair.network.at(0.4, lambda: its.update_media())
    pair.run(6.0)
    flow = said(pair, 40)
    assert flow[:6] == [
        (40, "alice", "INVITE"),
        (40, "bob", "INVITE"),
        (45, "alice", 491),
        (45, "bob", 491),
        (50, "alice", "ACK"),
        (50, "bob", "ACK"),
    ]
    again, *then = flow[6:9]
    others = flow[9:]
    assert (again[1:], [one[1:] for one in then]) == (
        ("bob", "INVITE"),
        [("alice", 200), ("bob", "ACK")],
    )
    assert 50 <= again[0] <= 250  # 0 to 2 s: Bob has not made the Call-ID
    assert [one[1:] for one in others] == [("alice", "INVITE"), ("bob", 200), ("alice", "ACK")]
    assert 50 + 210 <= others[0][0] <= 50 + 400  # 2.1 to 4 s
    assert mine.held
    assert mine.state == its.state == "InDialog"


def test_3_3_2_update_crosses_a_reinvite(pair):
    mine, its = up(pair)
    changes = []
    pair.network.at(0.4, lambda: changes.append(mine.hold(method="UPDATE")))
    pair.network.at(0.4, lambda: changes.append(its.update_media(method="INVITE")))
    pair.run(6.0)
    flow = said(pair, 40)
    assert flow[:5] == [
        (40, "alice", "UPDATE"),
        (40, "bob", "INVITE"),
        (45, "alice", 491),
        (45, "bob", 491),
        (50, "bob", "ACK"),
    ]
    assert [one[1:] for one in flow[5:]] == [
        ("bob", "INVITE"),
        ("alice", 200),
        ("bob", "ACK"),
        ("alice", "UPDATE"),
        ("bob", 200),
    ]
    assert flow[5][0] <= 50 + 200  # 0 to 2 s: Bob has not made the Call-ID
    assert 50 + 210 <= flow[8][0] <= 50 + 400  # 2.1 to 4 s
    assert [change.state for change in changes] == ["Done", "Done"]


@pytest.mark.parametrize("other", ["UPDATE", "INVITE"])
def test_3_3_2_a_refresh_by_update_without_an_offer_crosses_anything(pair, other):
    """Both succeed: 491 is for offers."""
    pair.alice.session_expires, pair.alice.session_refresher = 600, "local"
    mine, its = up(pair)
    begun = pair.alice.core.timers.now
    changes = []
    agreed = mine.session_timer._expires - 600
    pair.network.at(agreed + 300, lambda: changes.append(its.hold(method=other)))
    pair.run(begun + 305)
    flow = [one[1:] for one in said(pair, 1000)]
    assert 491 not in [what for _, what in flow]
    assert ("alice", "UPDATE") in flow
    assert changes[0].state == "Done"
    assert mine.session_timer.state == "LocalRefresher"
    mine.terminate()
    pair.quiet()


def test_3_3_3_a_refer_comes_when_the_call_is_being_ended(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    call.terminate()
    bye = wire.one()
    refer = wire.request(
        "REFER",
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_="<sip:bob@10.0.0.9>;tag=b1",
        call_id=invite.call_id,
        headers=["Refer-To: <sip:carol@c.com>"],
    )
    wire.receive(refer)
    assert wire.one().status >= 400
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


# ---------------------------------------------------------------- the appendices


def test_a_bye_of_the_early_state_ends_one_fork(wire, bob):
    """Appendix A, Bob: the BYE is answered, and the INVITE with 487."""
    call = wire.invited(body=b"theirs")
    call.ring()
    early = wire.one()
    wire.receive(wire.within(early, "BYE"))
    assert sorted(wire.starts()) == [200, 487]
    assert call.state == "Terminated"


def test_a_a_fork_answers_a_call_that_was_given_up(wire, alice):
    """Appendix A, Alice: another branch may answer all the same."""
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180, tag="a"))
    call.terminate()
    cancel = wire.one()
    wire.receive(wire.answer(cancel, 200))
    wire.receive(wire.answer(invite, 200, tag="b", body=b"theirs"))
    ack, bye = wire.sent()
    assert (ack.method, ack.to.tag) == ("ACK", "b")
    assert (bye.method, bye.to.tag) == ("BYE", "b")
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


def test_b_bye_right_after_a_reinvite(wire, alice):
    """Appendix B, the side that hangs up: the INVITE's transaction goes on by itself."""
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    call.hold()
    again = wire.one()
    call.terminate()
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.pass_until(wire.now + 0.6)
    assert bytes(wire.one()) == bytes(again)
    wire.receive(wire.answer(again, 481))
    assert wire.starts() == ["ACK"]
    wire.over()


@pytest.mark.parametrize("number", [2, 3])
def test_b_bye_comes_before_the_reinvite(wire, bob, number):
    """Appendix B, the other side: 481, or 500 for its order."""
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "BYE", 3))
    assert wire.starts() == [200]
    wire.receive(wire.within(answer, "INVITE", number, body=b"other"))
    assert wire.one().status in (481, 500)
    assert call.state == "Terminated"


def test_c_cancel_in_the_early_state(pair):
    mine, its = ringing(pair)
    mine.terminate()
    pair.run(1.0)
    assert said(pair, 10) == [
        (10, "alice", "CANCEL"),
        (15, "bob", 200),
        (15, "bob", 487),
        (20, "alice", "ACK"),
    ]
    assert mine.state == its.state == "Terminated"
    pair.quiet()


def test_c_cancel_of_a_confirmed_call_changes_nothing(wire, bob):
    call = wire.invited(body=b"theirs")
    call.accept()
    answer = wire.one()
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200]
    assert call.state == "InDialog"
    wire.acknowledge(answer)
    assert call.state == "InDialog"


def test_d_a_bye_is_authenticated_in_the_mortal_state(wire, alice):
    alice.digest = DigestClient(
        None, default=("alice", "tea"), tokens=iter("abcdefgh").__next__, trust=None
    )
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    call.terminate()
    bye = wire.one()
    challenge = ("WWW-Authenticate", 'Digest realm="10.0.0.9", nonce="n", qop="auth"')
    wire.receive(wire.answer(bye, 401, headers=[challenge]))
    again = wire.one()
    assert again.method == "BYE"
    assert again.cseq.number == bye.cseq.number + 1
    assert again.lines("Authorization")
    wire.receive(wire.answer(again, 200))
    assert call.state == "Terminated"
    wire.over()


def test_e_figure_4_an_early_dialog_that_is_not_answered(wire, alice):
    call, invite = wire.invite(alice)
    for tag in "ab":
        wire.receive(wire.answer(invite, 180, tag=tag))
    assert len(wire.core.dialogs) == 2
    wire.receive(wire.answer(invite, 200, tag="a", body=b"theirs"))
    assert [one.to.tag for one in wire.sent()] == ["a"]
    assert call.state == "InDialog"
    wire.pass_until(wire.now + 33)  # 64 * T1 after the 2xx
    assert wire.sent() == []
    assert [state.remote_tag for state in wire.core.dialogs.values()] == ["a"]


@pytest.mark.parametrize("provisional", [True, False])
def test_e_figures_5_and_6_another_fork_answers(wire, alice, provisional):
    call, invite = wire.invite(alice)
    for tag in "ab" if provisional else "a":
        wire.receive(wire.answer(invite, 180, tag=tag))
    wire.receive(wire.answer(invite, 200, tag="a", body=b"theirs"))
    wire.sent()
    wire.receive(wire.answer(invite, 200, tag="b", body=b"theirs"))
    ack, bye = wire.sent()
    assert [(one.method, one.to.tag) for one in (ack, bye)] == [("ACK", "b"), ("BYE", "b")]
    wire.receive(wire.answer(bye, 200))
    assert call.state == "InDialog"
    assert len([event for event in wire.happened if isinstance(event, CallForked)]) == 1
    # 64 * T1 after the first 2xx nothing is waited for any more.
    wire.pass_until(wire.now + 33)
    assert wire.core.transactions.clients == {}


def test_e_figure_7_a_provisional_response_of_another_fork_after_the_2xx(wire, alice):
    """It belongs to an early dialog that is over with the INVITE's transaction: nobody acknowledges
    it, and who sends it gives up (RFC 6026 §7.2 passes on nothing but 2xx).
    """
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, tag="a", body=b"theirs"))
    wire.sent()
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    wire.receive(wire.answer(invite, 180, tag="b", headers=reliable))
    assert wire.sent() == []
    assert call.state == "InDialog"
    assert len(wire.core.dialogs) == 1

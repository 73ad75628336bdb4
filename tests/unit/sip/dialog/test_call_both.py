"""Calls between two cores in virtual time: what is said, when, and that nothing is left over.

The delay is 50 ms each way; times are hundredths of seconds.
"""

import pytest

from sipparty.sip.events import CallEnded, CallEstablished, CallReceived


def end_of(pair):
    """Bob's end of the call."""
    (call,) = pair.bob.dialogs
    return call


def test_a_call(pair):
    mine = pair.call()
    pair.network.at(1.0, lambda: end_of(pair).ring())
    pair.network.at(2.0, lambda: end_of(pair).accept())
    pair.network.at(5.0, mine.terminate)
    pair.run(4.0)
    its = end_of(pair)
    assert (mine.state, its.state, mine.progress) == ("InDialog", "InDialog", 180)
    assert mine.dialog_state.identity[1:] == its.dialog_state.identity[:0:-1]
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert pair.said() == [
        (0, "alice", "INVITE"),
        (25, "bob", 100),
        (100, "bob", 180),
        (200, "bob", 200),
        (205, "alice", "ACK"),
        (500, "alice", "BYE"),
        (505, "bob", 200),
    ]
    assert [type(e) for e in pair.bob_events] == [CallReceived, CallEstablished, CallEnded]


def test_the_callee_hangs_up(pair):
    mine, its = pair.established()
    its.terminate()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert pair.count("BYE") == pair.count("BYE", "bob") == 1


def test_both_hang_up_at_once(pair):
    # RFC 5407 §3.2.1: each answers the other's BYE.
    mine, its = pair.established()
    mine.terminate()
    its.terminate()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert mine.last_error is its.last_error is None
    assert pair.count("BYE") == 2
    assert pair.count(200) == 3
    # Each has a row for what still comes in after its end.
    assert mine.unheard == its.unheard == 0


def test_the_invite_is_retransmitted_and_the_call_comes_once(pair):
    # RFC 5407 §3.1.1: the provisional responses are lost, and the 200 crosses the INVITE.
    mine = pair.call()
    cut = pair.network.partition(["10.0.0.2"])
    pair.network.at(0.06, lambda: None)
    pair.run(0.4)
    pair.network.heal(cut)
    pair.run(lambda: pair.bob.dialogs)
    link = pair.network.link
    link("10.0.0.2", "10.0.0.1", loss=1.0, both_ways=False)
    end_of(pair).ring()
    pair.run(1.49)
    link("10.0.0.2", "10.0.0.1", loss=0.0, both_ways=False)
    end_of(pair).accept()
    pair.run(3.0)
    assert pair.count("INVITE") == 3
    assert [type(e) for e in pair.bob_events] == [CallReceived, CallEstablished]
    assert mine.state == "InDialog"
    # The INVITE that crossed the 200 is absorbed: neither is it a new call, nor is 180 sent again.
    assert pair.count(200) == 1
    mine.terminate()
    pair.quiet()


def test_an_ack_that_is_lost_is_sent_again_for_each_200(pair):
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    its.accept()
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0, both_ways=False)
    pair.run(5.0)
    assert mine.state == its.state == "InDialog"
    pair.network.link("10.0.0.1", "10.0.0.2", loss=0.0, both_ways=False)
    pair.run(10.0)
    # 200 at 0.05, then after 0.5, 1, 2, 4 s; the last ACK arrives.
    assert pair.count(200) == pair.count("ACK") == 5
    assert its._invited is None
    mine.terminate()
    pair.quiet()


def test_no_ack_ever_comes(pair):
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    its.accept()
    pair.network.link("10.0.0.1", "10.0.0.2", loss=1.0, both_ways=False)
    pair.run(32.049)
    assert its.state == "InDialog"
    pair.run(33)
    # Who has never been heard again is told once, and not waited for.
    assert its.state == "Error"
    assert pair.count("BYE", "bob") == 1
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Error")
    assert str(its.last_error) == "Our answer was never acknowledged."


def test_a_cancel_crosses_the_200(pair):
    # RFC 5407 §3.1.2.
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    its.ring()
    pair.run(lambda: mine.progress == 180)
    mine.terminate()
    its.accept()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert mine.last_error is its.last_error is None
    assert [what for _, who, what in pair.said() if who == "alice"] == [
        "INVITE",
        "CANCEL",
        "ACK",
        "BYE",
    ]


def test_a_cancel_before_any_response_waits_for_one(pair):
    mine = pair.call()
    pair.run(0.01)
    mine.terminate()
    pair.quiet()
    assert mine.state == "Terminated"
    assert pair.said() == [
        (0, "alice", "INVITE"),
        (25, "bob", 100),
        (30, "alice", "CANCEL"),
        (35, "bob", 200),
        (35, "bob", 487),
        (40, "alice", "ACK"),
    ]


def test_a_cancel_crosses_a_rejection(pair):
    mine = pair.call()
    pair.run(lambda: mine.progress)
    its = end_of(pair)
    mine.terminate()
    its.reject(486)
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert mine.last_error is None


def test_the_callee_hangs_up_before_the_ack(pair):
    # §15: the BYE waits for the ACK.
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    its.accept()
    its.terminate()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert pair.said() == [
        (0, "alice", "INVITE"),
        (5, "bob", 200),
        (10, "alice", "ACK"),
        (15, "bob", "BYE"),
        (20, "alice", 200),
    ]


def test_the_bye_overtakes_the_ack(pair):
    # RFC 5407 §3.1.6: a BYE while the 200 is not acknowledged ends the call.
    mine = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    its.accept()
    pair.network.link("10.0.0.1", "10.0.0.2", delay=(0.3, 0.3), both_ways=False)
    pair.run(lambda: mine.state == "InDialog")
    pair.run(pair.network.clock.now)
    pair.network.link("10.0.0.1", "10.0.0.2", delay=(0.01, 0.01), both_ways=False)
    mine.terminate()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert its.last_error is None
    assert pair.count(200, "bob") == 2  # one for the INVITE, one for the BYE


def test_the_caller_gives_up_as_the_callee_answers(pair):
    mine = pair.call(expires=10)
    pair.run(lambda: mine.progress)
    # Bob's INVITE runs out 50 ms after alice's: he answers in between.
    pair.network.at(10.0, lambda: end_of(pair).accept())
    pair.quiet()
    assert mine.state == "Error"
    assert mine.last_error.status == 408
    assert [e.error for e in pair.bob_events if isinstance(e, CallEnded)] == [None]
    assert pair.count("BYE", "alice") == 1


def test_an_invitation_runs_out_at_both_ends(pair):
    mine = pair.call(expires=10)
    pair.run(lambda: pair.bob.dialogs)
    its = end_of(pair)
    pair.quiet()
    assert (mine.state, its.state) == ("Error", "Terminated")
    assert pair.count("CANCEL", "alice") == 1
    assert pair.count(487, "bob") == 1


def test_the_network_goes_away_in_a_call(pair):
    mine, its = pair.established()
    cut = pair.network.partition(["10.0.0.2"])
    mine.terminate()
    pair.quiet_alice = pair.run(lambda: mine.state == "Error")
    assert mine.last_error.status == 408
    pair.network.heal(cut)
    its.terminate()
    pair.quiet()
    assert its.state == "Terminated"  # a 481 says what was wanted


def test_a_call_that_is_never_answered_by_anybody(pair):
    pair.network.partition(["10.0.0.2"])
    mine = pair.call()
    pair.quiet()
    assert mine.state == "Error"
    assert mine.last_error.status == 408
    assert [time for time, _, what in pair.said() if what == "INVITE"] == [
        0,
        50,
        150,
        350,
        750,
        1550,
        3150,
    ]


def test_every_message_arrives_twice(make_pair):
    pair = make_pair(duplication=1.0)
    mine, its = pair.established()
    assert [type(e) for e in pair.bob_events] == [CallReceived, CallEstablished]
    mine.terminate()
    pair.quiet()
    assert (mine.state, its.state) == ("Terminated", "Terminated")
    assert mine.last_error is its.last_error is None


def test_many_calls_at_a_time(pair):
    calls = [pair.call() for _ in range(20)]
    pair.run(lambda: len(pair.bob.dialogs) == 20)
    for call in list(pair.bob.dialogs):
        call.accept()
    pair.run(1.0)
    assert {call.state for call in calls} == {"InDialog"}
    calls[3].terminate()
    pair.run(2.0)
    assert [call.state for call in calls].count("InDialog") == 19
    for call in calls[:3] + calls[4:]:
        call.terminate()
    pair.quiet()


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_what_was_said_is_the_same_each_time(make_pair, who):
    runs = []
    for _ in range(2):
        pair = make_pair(seed=3, loss=0.2, delay=(0.01, 0.2))
        mine = pair.call()
        pair.run(lambda: pair.bob.dialogs)  # noqa: B023 - asked at once
        end_of(pair).accept()
        pair.run(60.0)
        if mine.takes("terminate"):
            mine.terminate()
        pair.quiet()
        runs.append([it for it in pair.said() if it[1] == who])
    assert runs[0] == runs[1]

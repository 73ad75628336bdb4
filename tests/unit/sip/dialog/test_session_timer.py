"""Session timers: who refreshes, when, by what, and what ends a call that is not refreshed (RFC
4028).
"""

import pytest

from sipparty.errors import CallTimedOut
from sipparty.sip.dialog.session import Pending
from sipparty.sip.dialog.session_timer import SessionTimer

TIMER = ("Supported: timer",)


def lines(message, name):
    return message.lines(name)


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def answered(wire, bob, *headers, **changes):
    """Call bob, who answers; the call and the 200."""
    call = wire.invited(body=b"theirs", headers=headers, **changes)
    call.accept()
    answer = wire.one()
    assert answer.status == 200
    wire.acknowledge(answer)
    return call, answer


def called(wire, alice, *headers, **options):
    """Alice calls, and is answered with these headers; the call and its INVITE."""
    call, invite = wire.invite(alice, **options)
    answer = wire.answer(invite, 200, body=b"theirs")
    for name, value in headers:
        answer = answer.replace(b"\r\n", f"\r\n{name}: {value}\r\n".encode(), 1)
    wire.receive(answer)
    assert wire.one().method == "ACK"
    return call, invite


def timer_of(call):
    return (call.session_timer.state, call.session_timer.interval, call.session_timer.refresher)


# ---------------------------------------------------------------- no session timer


def test_a_call_has_no_timer_where_nobody_asks_for_one(wire, bob, alice):
    call, answer = answered(wire, bob, *TIMER)
    assert call.session_timer is None
    assert lines(answer, "Session-Expires") == lines(answer, "Require") == []
    assert "timer" in answer.supported
    wire.sent()
    call, invite = called(wire, alice)
    assert call.session_timer is None
    assert "timer" in invite.supported  # §7.1: also where none is asked for
    assert lines(invite, "Session-Expires") == []


# ---------------------------------------------------------------- §9, Table 2


@pytest.mark.parametrize(
    ("supports", "asked", "chosen", "answer"),
    [
        (False, "", None, "uas"),
        (False, "", "remote", "uas"),
        (False, ";refresher=uac", None, "uas"),  # NA: who does not know it cannot refresh
        (True, "", None, "uac"),
        (True, "", "local", "uas"),
        (True, "", "remote", "uac"),
        (True, ";refresher=uac", "local", "uac"),
        (True, ";refresher=uas", "remote", "uas"),
        (True, ";Refresher=UAS", "remote", "uas"),
        (True, ";refresher=who", None, "uac"),
    ],
)
def test_who_refreshes_by_table_2(wire, bob, supports, asked, chosen, answer):
    bob.session_refresher = chosen
    headers = [f"Session-Expires: 1800{asked}", *(TIMER if supports else ())]
    call, ok = answered(wire, bob, *headers)
    assert lines(ok, "Session-Expires") == [f"1800;refresher={answer}"]
    # §9: a MUST where the caller refreshes, a SHOULD where it knows session timers.
    assert lines(ok, "Require") == (["timer"] if supports else [])
    state = "LocalRefresher" if answer == "uas" else "RemoteRefresher"
    assert timer_of(call)[:2] == (state, 1800)


@pytest.mark.parametrize(
    ("headers", "wanted", "interval"),
    [
        (["Session-Expires: 1800"], None, 1800),
        (["Session-Expires: 1800"], 600, 600),  # may be made less
        (["Session-Expires: 1800", "Min-SE: 1200"], 600, 1200),  # but not less than Min-SE
        (["Session-Expires: 1800"], 3600, 1800),  # and never more
        (["x: 1800"], None, 1800),
        (["Min-SE: 1200"], 600, 1200),  # nothing is asked for but by us
        ([], 600, 600),
        (["Session-Expires: soon"], 600, 600),  # §8.2 of RFC 3261
    ],
)
def test_the_interval_of_an_answer(wire, bob, headers, wanted, interval):
    bob.session_expires = wanted
    _, ok = answered(wire, bob, *headers, *TIMER)
    assert lines(ok, "Session-Expires") == [f"{interval};refresher=uac"]
    assert lines(ok, "Min-SE") == []  # §5


def test_an_interval_that_is_too_small_is_refused(wire, bob):
    bob.min_se = 300
    wire.receive(wire.request("INVITE", headers=["Session-Expires: 299", *TIMER], body=b"theirs"))
    refusal = wire.one()
    assert (refusal.status, lines(refusal, "Min-SE")) == (422, ["300"])
    assert wire.happened == []  # nobody is called
    wire.receive(wire.request("ACK", to=str(refusal.to)))
    again = {"branch": "z9hG4bK2", "number": 2}
    wire.receive(
        wire.request("INVITE", headers=["Session-Expires: 300", *TIMER], body=b"theirs", **again)
    )
    assert len(wire.happened) == 1
    wire.happened[0].call.reject()
    wire.over()


def test_who_does_not_know_session_timers_is_not_refused(wire, bob):
    """§8.1: the caller could not do anything about it."""
    bob.min_se = 300
    call, ok = answered(wire, bob, "Session-Expires: 200")
    assert lines(ok, "Session-Expires") == ["200;refresher=uas"]
    call, ok = answered(wire, bob, "Session-Expires: 20", call_id="c2", branch="z9hG4bK2")
    assert lines(ok, "Session-Expires") == []  # §4: no interval at all
    assert call.session_timer is None


def test_a_reinvite_with_an_interval_that_is_too_small_is_refused(wire, bob):
    call, ok = answered(wire, bob, "Session-Expires: 1800", *TIMER)
    again = wire.within(ok, "INVITE", headers=["Session-Expires: 60", *TIMER], body=b"theirs")
    wire.receive(again)
    refusal = wire.one()
    assert (refusal.status, lines(refusal, "Min-SE")) == (422, ["90"])
    assert timer_of(call) == ("RemoteRefresher", 1800, "remote")


# ---------------------------------------------------------------- §7.1, §7.2, §7.3


@pytest.mark.parametrize(
    ("chosen", "least", "headers"),
    [
        (None, 90, {"Session-Expires": ["1800"], "Min-SE": []}),
        ("local", 90, {"Session-Expires": ["1800;refresher=uac"], "Min-SE": []}),
        ("remote", 90, {"Session-Expires": ["1800;refresher=uas"], "Min-SE": []}),
        (None, 600, {"Session-Expires": ["1800"], "Min-SE": ["600"]}),
        (None, 2000, {"Session-Expires": ["2000"], "Min-SE": ["2000"]}),
    ],
)
def test_what_an_invite_asks_for(wire, alice, chosen, least, headers):
    alice.session_expires, alice.session_refresher, alice.min_se = 1800, chosen, least
    _, invite = wire.invite(alice)
    assert {name: lines(invite, name) for name in headers} == headers


@pytest.mark.parametrize(
    ("wanted", "headers", "timer"),
    [
        (1800, [("Session-Expires", "1200;refresher=uac")], ("LocalRefresher", 1200, "local")),
        (1800, [("Session-Expires", "1200;refresher=uas")], ("RemoteRefresher", 1200, "remote")),
        # One that a proxy has asked for.
        (None, [("Session-Expires", "1200;refresher=uas")], ("RemoteRefresher", 1200, "remote")),
        (None, [("Session-Expires", "1200")], ("LocalRefresher", 1200, "local")),
        # The other side knows no session timer, so it is ours alone.
        (1800, [], ("LocalRefresher", 1800, "local")),
        (1800, [("Session-Expires", "garbage")], ("LocalRefresher", 1800, "local")),
        # §11.1: nobody has us refresh each second.
        (None, [("Session-Expires", "1;refresher=uac")], ("LocalRefresher", 90, "local")),
        (None, [("Session-Expires", "99999999999;refresher=uac")], None),
    ],
)
def test_what_a_2xx_agrees_on(wire, alice, wanted, headers, timer):
    alice.session_expires = wanted
    call, _ = called(wire, alice, *headers)
    assert (call.session_timer and timer_of(call)) == timer


def test_422_is_met_with_the_interval_that_it_asks_for(wire, alice):
    """§7.3, §7.4, and figure 1: the largest of all Min-SE."""
    alice.session_expires = 1800
    call, invite = wire.invite(alice)
    for least in (3600, 4000):
        wire.receive(wire.answer(invite, 422, headers=[("Min-SE", str(least))]))
        ack, again = wire.sent()
        assert (ack.method, again.method) == ("ACK", "INVITE")
        assert again.cseq.number == invite.cseq.number + 1
        assert (again.call_id, again.from_) == (invite.call_id, invite.from_)
        assert lines(again, "Session-Expires") == lines(again, "Min-SE") == [str(least)]
        invite = again
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert timer_of(call) == ("LocalRefresher", 4000, "local")
    wire.sent()
    wire.pass_until(wire.now + 2000)
    assert lines(wire.one(), "Min-SE") == []  # §7.4: cleared once there is a dialog


# ---------------------------------------------------------------- §7.4, §10: refreshes


def test_a_refresh_by_reinvite_offers_what_stands(wire, alice):
    alice.session_expires = 600
    call, _ = called(wire, alice, ("Session-Expires", "600;refresher=uac"))
    wire.medias[0].done.clear()
    wire.pass_until(wire.now + 299)
    assert wire.sent() == []
    wire.pass_until(wire.now + 1)
    again = wire.one()
    assert (again.method, again.body) == ("INVITE", b"offer")
    assert wire.medias[0].done == ["offer"]
    assert lines(again, "Session-Expires") == ["600;refresher=uac"]
    assert "timer" in again.supported
    assert call.session_timer.state == "Refreshing"
    headers = [("Session-Expires", "600;refresher=uac")]
    wire.receive(wire.answer(again, 200, headers=headers, body=b"theirs"))
    assert wire.one().method == "ACK"
    assert timer_of(call) == ("LocalRefresher", 600, "local")
    wire.pass_until(wire.now + 299)
    assert wire.sent() == []
    wire.pass_until(wire.now + 1)
    assert wire.one().method == "INVITE"


def test_a_refresh_by_update_has_no_offer(wire, alice):
    alice.session_expires = 600
    answer = [("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, UPDATE")]
    call, _ = called(wire, alice, *answer)
    wire.medias[0].done.clear()
    wire.pass_until(wire.now + 300)
    update = wire.one()
    assert (update.method, update.body, wire.medias[0].done) == ("UPDATE", b"", [])
    assert lines(update, "Session-Expires") == ["600;refresher=uac"]
    assert "timer" in update.supported
    assert lines(update, "Contact")  # RFC 3311 §5.1: a target refresh
    wire.receive(wire.answer(update, 200, headers=[answer[0]]))
    assert timer_of(call) == ("LocalRefresher", 600, "local")
    wire.pass_until(wire.now + 300)
    assert wire.one().method == "UPDATE"


def test_a_2xx_may_turn_roles_around_and_the_timer_off(wire, alice):
    call, _ = called(wire, alice, ("Session-Expires", "600;refresher=uac"))
    wire.pass_until(wire.now + 300)
    again = wire.one()
    wire.receive(
        wire.answer(again, 200, body=b"theirs", headers=[("Session-Expires", "400;refresher=uas")])
    )
    assert timer_of(call) == ("RemoteRefresher", 400, "remote")
    wire.sent()
    call.hold()
    hold = wire.one()
    assert lines(hold, "Session-Expires") == ["400;refresher=uas"]
    wire.receive(wire.answer(hold, 200, body=b"held"))
    assert timer_of(call)[:2] == ("Off", 0)
    wire.sent()
    wire.pass_until(wire.now + 10_000)
    assert wire.sent() == []
    call.resume()
    assert lines(wire.one(), "Session-Expires") == []


def test_other_changes_refresh_too(wire, alice):
    """§7.2."""
    headers = [("Session-Expires", "600;refresher=uac")]
    call, _ = called(wire, alice, *headers)
    wire.pass_until(wire.now + 200)
    call.hold()
    hold = wire.one()
    wire.receive(wire.answer(hold, 200, headers=headers, body=b"held"))
    wire.sent()
    wire.pass_until(wire.now + 299)
    assert wire.sent() == []
    wire.pass_until(wire.now + 1)
    assert wire.one().method == "INVITE"
    assert call.held


@pytest.mark.parametrize("allow", ["INVITE", "INVITE, UPDATE"])
def test_a_422_to_a_refresh_is_met_and_remembered(wire, alice, allow):
    """§7.4: Min-SE stays in the requests of the dialog."""
    headers = [("Session-Expires", "600;refresher=uac"), ("Allow", allow)]
    _, _ = called(wire, alice, *headers)
    wire.pass_until(wire.now + 300)
    wire.receive(wire.answer(wire.one(), 422, headers=[("Min-SE", "900")]))
    again = wire.sent()[-1]
    assert lines(again, "Session-Expires") == ["900;refresher=uac"]
    assert lines(again, "Min-SE") == ["900"]
    answer = [("Session-Expires", "900;refresher=uac")]
    wire.receive(wire.answer(again, 200, headers=answer, body=b"" if "UP" in allow else b"theirs"))
    wire.sent()
    wire.pass_until(wire.now + 450)
    third = wire.one()
    assert (lines(third, "Session-Expires"), lines(third, "Min-SE")) == (
        ["900;refresher=uac"],
        ["900"],
    )


def test_min_se_of_a_request_of_theirs_stays_in_ours(wire, bob):
    answered(wire, bob, "Session-Expires: 600;refresher=uas", "Min-SE: 200", *TIMER)
    wire.pass_until(wire.now + 300)
    again = wire.one()
    assert lines(again, "Min-SE") == ["200"]
    assert lines(again, "Session-Expires") == ["600;refresher=uac"]


@pytest.mark.parametrize("status", [408, 481])
@pytest.mark.parametrize("allow", ["INVITE", "UPDATE"])
def test_a_refresh_that_finds_no_call_ends_it(wire, alice, status, allow):
    headers = [("Session-Expires", "600;refresher=uac"), ("Allow", allow)]
    call, _ = called(wire, alice, *headers)
    wire.pass_until(wire.now + 300)
    wire.receive(wire.answer(wire.one(), status))
    bye = wire.sent()[-1]
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Error"
    assert call.last_error.status == status
    wire.over()


@pytest.mark.parametrize("allow", ["INVITE", "UPDATE"])
def test_a_refresh_without_any_answer_ends_the_call(wire, alice, allow):
    headers = [("Session-Expires", "600;refresher=uac"), ("Allow", allow)]
    call, _ = called(wire, alice, *headers)
    wire.pass_until(wire.now + 300 + 33)
    assert "BYE" in wire.starts()
    wire.over()
    assert call.state == "Error"
    assert isinstance(call.last_error, CallTimedOut)
    assert call.ended_by == "timeout"


@pytest.mark.parametrize("allow", ["INVITE", "UPDATE"])
def test_a_refresh_that_is_refused_is_tried_again_until_the_session_expires(wire, alice, allow):
    """§10: not without end, and the call is hung up in time."""
    headers = [("Session-Expires", "1800;refresher=uac"), ("Allow", allow)]
    call, _ = called(wire, alice, *headers)
    begun, tries = wire.now, []
    while call.state == "InDialog":
        due = wire.core.next_timer()
        wire.pass_until(due)
        for message in wire.sent():
            if message.method in ("INVITE", "UPDATE"):
                tries.append(round(wire.now - begun))
                wire.receive(wire.answer(message, 500))
                wire.sent()
            elif message.method == "BYE":
                bye = message
    assert tries == [900, 1350, 1575, 1688, 1744]
    assert wire.now - begun == 1800 - 32
    wire.receive(wire.answer(bye, 200))
    assert (call.state, call.ended_by) == ("Error", "timeout")
    assert "could not be refreshed in time" in str(call.last_error)
    wire.over()


# ---------------------------------------------------------------- §10: the other side does not


@pytest.mark.parametrize(("interval", "patience"), [(1800, 1768), (90, 60), (96, 64), (99, 67)])
def test_a_session_that_the_other_side_does_not_refresh_ends(wire, bob, interval, patience):
    call, _ = answered(wire, bob, f"Session-Expires: {interval};refresher=uac", *TIMER)
    begun = wire.now
    wire.pass_until(begun + patience - 0.5)
    assert (wire.sent(), call.state) == ([], "InDialog")
    wire.pass_until(begun + patience)
    bye = wire.one()
    assert bye.method == "BYE"
    wire.receive(wire.answer(bye, 200))
    assert (call.state, call.ended_by) == ("Error", "timeout")
    assert f"did not refresh the session of {interval} s in time" in str(call.last_error)
    assert call.cause.status == 408
    wire.over()


@pytest.mark.parametrize("by", ["INVITE", "UPDATE"])
def test_a_refresh_of_theirs_begins_the_interval_anew(wire, bob, by):
    call, ok = answered(wire, bob, "Session-Expires: 600;refresher=uac", *TIMER)
    for number in range(2, 12):
        wire.pass_until(wire.now + 500)
        refresh = ["Session-Expires: 600;refresher=uac", *TIMER]
        body = b"theirs" if by == "INVITE" else b""
        wire.receive(wire.within(ok, by, number, headers=refresh, body=body))
        again = wire.one()
        assert (again.status, lines(again, "Session-Expires")) == (200, ["600;refresher=uac"])
        if by == "INVITE":
            wire.acknowledge(again, number)
    assert call.state == "InDialog"
    wire.pass_until(wire.now + 568)
    assert wire.starts() == ["BYE"]


def test_a_reinvite_without_session_expires_keeps_the_timer(wire, bob):
    """§9: we may ask for it in the 2xx, and who refreshes stays."""
    call, ok = answered(wire, bob, "Session-Expires: 600;refresher=uas", *TIMER)
    wire.receive(wire.within(ok, "INVITE", 2, headers=TIMER, body=b"theirs"))
    again = wire.one()
    assert lines(again, "Session-Expires") == ["600;refresher=uas"]
    assert timer_of(call) == ("LocalRefresher", 600, "local")


def test_a_call_that_ends_takes_its_timer_along(wire, bob):
    call, _ = answered(wire, bob, "Session-Expires: 600;refresher=uas", *TIMER)
    wire.pass_until(wire.now + 300)
    refresh = wire.one()
    wire.receive(wire.answer(refresh, 100))
    call.terminate()
    assert "BYE" in wire.starts()
    wire.over()
    assert call.session_timer.state == "Over"


def test_a_2xx_that_comes_after_the_end_makes_no_timer(wire, alice):
    alice.session_expires = 600
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    wire.sent()
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert "BYE" in wire.starts()
    wire.over()
    assert call.session_timer is None or call.session_timer.state == "Over"


# ---------------------------------------------------------------- calls without media


def test_a_call_without_media_refreshes_by_a_reinvite_without_offer(wire):
    bob = wire.agent()
    bob.reject_offer = lambda offer, address: b"none of " + offer
    call, ok = answered(wire, bob, "Session-Expires: 600;refresher=uas", *TIMER)
    wire.pass_until(wire.now + 300)
    again = wire.one()
    assert (again.method, again.body) == ("INVITE", b"")
    # RFC 3261 §14.2: another one meanwhile has to wait.
    wire.receive(wire.within(ok, "INVITE", 7, body=b"other"))
    assert wire.starts() == [491]
    wire.receive(wire.within(ok, "ACK", 7, branch="z9hG4bKINVITE7"))
    wire.receive(
        wire.answer(again, 200, body=b"theirs", headers=[("Session-Expires", "600;refresher=uac")])
    )
    ack = wire.one()
    assert (ack.method, ack.body) == ("ACK", b"none of theirs")
    wire.receive(wire.answer(again, 200, body=b"theirs"))
    assert bytes(wire.one()) == bytes(ack)
    assert timer_of(call) == ("LocalRefresher", 600, "local")


def test_a_refresh_of_a_call_without_media_may_have_no_offer_to_refuse(wire):
    bob = wire.agent()
    bob.reject_offer = lambda offer, address: b"none of " + offer
    call, _ = answered(wire, bob, "Session-Expires: 600;refresher=uas", *TIMER)
    wire.pass_until(wire.now + 300)
    wire.receive(wire.answer(wire.one(), 200, headers=[("Session-Expires", "600;refresher=uac")]))
    ack = wire.one()
    assert (ack.method, ack.body) == ("ACK", b"")
    assert timer_of(call) == ("LocalRefresher", 600, "local")


# ---------------------------------------------------------------- two cores


@pytest.mark.parametrize("refresher", ["local", "remote"])
@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("media", [False, True])
def test_a_call_lasts_for_hours(make_pair, wire, refresher, loss, media):
    pair = make_pair(seed=3, loss=loss)
    if media:
        pair.alice.open_session = pair.bob.open_session = wire._open
    pair.alice.session_expires = 600
    pair.alice.session_refresher = refresher
    mine, its = pair.established()
    pair.run(4 * 3600.0)
    assert mine.state == its.state == "InDialog"
    who = "alice" if refresher == "local" else "bob"
    assert mine.session_timer.refresher == refresher
    if not loss:
        assert (pair.count("UPDATE", who), pair.count("INVITE")) == (4 * 12 - 1, 1)
    mine.terminate()
    pair.quiet()
    assert mine.state == its.state == "Terminated"


def test_who_knows_no_session_timer_is_refreshed_by_who_does(make_pair):
    pair = make_pair()
    pair.alice.session_expires = 600
    pair.bob.supported = ()
    pair.bob._capabilities = None
    mine, its = pair.established()
    pair.run(3600.0)
    assert mine.state == its.state == "InDialog"
    mine.terminate()
    pair.quiet()


@pytest.mark.parametrize("side", ["local", "remote"])
def test_a_side_that_vanishes_ends_the_call_of_the_other(make_pair, side):
    pair = make_pair()
    pair.alice.session_expires = 600
    pair.alice.session_refresher = side
    mine, its = pair.established()
    pair.network.partition(["10.0.0.1"])
    pair.quiet()
    for call in (mine, its):
        assert call.state == "Error"
        assert call.ended_by == "timeout"


def test_the_table_is_one_machine():
    assert SessionTimer.plan.initial == "Off"
    assert SessionTimer.plan.final == ("Over",)


def test_refreshes_that_cross_leave_the_call_up(make_pair, wire):
    """Both have something to change at the moment of a refresh."""
    pair = make_pair()
    pair.alice.open_session = pair.bob.open_session = wire._open
    pair.alice.session_expires, pair.alice.session_refresher = 600, "local"
    mine, its = pair.established()
    began = pair.network.clock.now
    pair.network.at(began + 299.9, its.hold)
    pair.run(began + 299.0)
    pair.run(began + 320.0)
    assert its.held
    assert mine.state == its.state == "InDialog"
    pair.run(began + 3600.0)
    assert mine.session_timer.state == "LocalRefresher"
    assert its.session_timer.state == "RemoteRefresher"
    mine.terminate()
    pair.quiet()


def test_an_update_of_theirs_with_an_interval_that_is_too_small_is_refused(wire, bob):
    call, ok = answered(wire, bob, "Session-Expires: 1800", *TIMER)
    wire.receive(wire.within(ok, "UPDATE", headers=["Session-Expires: 60", *TIMER]))
    refusal = wire.one()
    assert (refusal.status, lines(refusal, "Min-SE")) == (422, ["90"])
    assert timer_of(call) == ("RemoteRefresher", 1800, "remote")


# ---------------------------------------------------------------- what crosses with the end


def of_theirs(wire, invite, method, number, **changes):
    """A request of the other side's in a call of ours."""
    return wire.request(
        method,
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_="<sip:bob@10.0.0.9>;tag=b1",
        call_id=invite.call_id,
        number=number,
        branch=f"z9hG4bK{method}{number}",
        **changes,
    )


@pytest.mark.parametrize("end", ["BYE", "terminate"])
@pytest.mark.parametrize("busy_with", ["offer", "answer"])
def test_no_refresh_follows_the_end(wire, alice, end, busy_with):
    """RFC 3261 §15: the refresh waits for a session that takes its time, and the call ends."""
    call, invite = called(wire, alice, ("Session-Expires", "600;refresher=uac"))
    pending = Pending()
    setattr(call.session, busy_with, lambda *_: pending)
    wire.pass_until(wire.now + 299)
    if busy_with == "answer":
        wire.receive(of_theirs(wire, invite, "UPDATE", 2, body=b"other"))
    wire.pass_until(wire.now + 2)
    assert wire.sent() == []
    if end == "BYE":
        wire.receive(of_theirs(wire, invite, "BYE", 3))
    else:
        call.terminate()
        wire.receive(wire.answer(wire.one(), 200))
    pending.resolve(b"made")
    assert call.state == "Terminated"
    assert "INVITE" not in wire.starts()
    wire.over()


def test_an_interval_that_an_early_update_agrees_on_begins_with_the_answer(wire, bob):
    """How long the call may ring is for who is called, not for the session timer."""
    asks = ["Supported: timer, 100rel", "Session-Expires: 90;refresher=uac"]
    call = wire.invited(body=b"theirs", headers=asks)
    call.ring(183, media=True)
    ringing = wire.one()
    rack = f"RAck: {ringing['RSeq']} 1 INVITE"
    wire.receive(wire.within(ringing, "PRACK", headers=[rack]))
    wire.receive(wire.within(ringing, "UPDATE", 3, headers=asks))
    assert lines(wire.sent()[-1], "Session-Expires") == ["90;refresher=uac"]
    wire.pass_until(wire.now + 100)
    assert call.state == "InitiatingDialog"
    call.accept()
    wire.acknowledge(wire.sent()[-1])
    assert timer_of(call) == ("RemoteRefresher", 90, "remote")
    wire.pass_until(wire.now + 60)
    assert wire.starts() == ["BYE"]
    assert call.ended_by == "timeout"


def test_an_interval_that_an_early_update_of_ours_agrees_on_begins_with_the_answer(wire, alice):
    call, invite = wire.invite(alice)
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    wire.receive(wire.answer(invite, 183, headers=reliable, body=b"theirs"))
    wire.receive(wire.answer(wire.one(), 200, contact=None))
    call.hold()
    update = wire.one()
    agreed = [("Session-Expires", "90;refresher=uas")]
    wire.receive(wire.answer(update, 200, headers=agreed, body=b"held"))
    assert timer_of(call) == ("Off", 90, "remote")
    wire.pass_until(wire.now + 100)
    wire.receive(wire.answer(invite, 200, headers=agreed))
    assert timer_of(call) == ("RemoteRefresher", 90, "remote")


@pytest.mark.parametrize("status", [405, 501])
def test_an_update_that_is_not_known_after_all_is_followed_by_a_reinvite(wire, alice, status):
    """RFC 4028 §10: tried again as the response asks for, not the same way each time."""
    headers = ("Session-Expires", "600;refresher=uac"), ("Allow", "INVITE, UPDATE")
    call, _ = called(wire, alice, *headers)
    wire.pass_until(wire.now + 300)
    update = wire.one()
    assert update.method == "UPDATE"
    wire.receive(wire.answer(update, status))
    wire.pass_until(wire.now + 150)
    reinvite = wire.one()
    assert reinvite.method == "INVITE"
    wire.receive(wire.answer(reinvite, 200, headers=headers[:1], body=b"theirs"))
    assert timer_of(call) == ("LocalRefresher", 600, "local")

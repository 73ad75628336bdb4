"""Reliable provisional responses for the side that calls: in order, each acknowledged by a PRACK in
its early dialog, with the offers and answers that they bring (RFC 3262 §4, §5).
"""

import pytest

from sipparty.errors import BuildError, UsageError
from sipparty.sip import SimpleCall
from sipparty.sip.dialog.reliable import MAX_PRACKS
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallEstablished, CallProgressed


@pytest.fixture
def alice(wire):
    agent = wire.agent("sip:alice@atlanta.com", media=True)
    agent.reject_offer = lambda offer, address: b"none of " + offer
    return agent


def reliable(wire, invite, status=180, rseq=1, tag="b1", **changes):
    headers = [("Require", "100rel"), ("RSeq", str(rseq)), *changes.pop("headers", ())]
    return wire.answer(invite, status, tag=tag, headers=headers, **changes)


def progress(wire):
    return [e.response.status for e in wire.happened if isinstance(e, CallProgressed)]


# ---------------------------------------------------------------- what the INVITE says


@pytest.mark.parametrize(
    ("wanted", "supported", "required"),
    [("supported", True, False), ("required", True, True), ("off", False, False)],
)
def test_what_the_invite_says(wire, alice, wanted, supported, required):
    alice.reliable_provisionals = wanted
    call, invite = wire.invite(alice)
    assert ("100rel" in invite.supported) is supported
    assert ("Require" in invite) is required
    call.terminate()
    wire.over()


def test_one_call_alone_may_require_it(wire, alice):
    _, invite = wire.invite(alice, headers=[("Require", "100rel")])
    assert invite.require == ("100rel",)


# ---------------------------------------------------------------- PRACK


def test_a_prack_goes_in_the_early_dialog(wire, alice):
    call, invite = wire.invite(alice)
    routes = [("Record-Route", "<sip:10.0.0.7;lr>")]
    wire.receive(reliable(wire, invite, rseq=776656, contact="<sip:b1@10.0.0.8>", headers=routes))
    prack, flow = wire.way()
    assert (prack.method, prack.uri_text, prack.to.tag) == ("PRACK", "sip:b1@10.0.0.8", "b1")
    assert str(prack["RAck"]) == f"776656 {invite.cseq.number} INVITE"
    assert prack.cseq.number == invite.cseq.number + 1
    assert prack.lines("Route") == ["<sip:10.0.0.7;lr>"]
    assert flow.remote == ("10.0.0.7", 5060)
    assert "Contact" not in prack
    assert prack.body == b""
    (event,) = [e for e in wire.happened if isinstance(e, CallProgressed)]
    assert event.reliable
    assert call.progress == 180


def test_one_that_comes_again_is_absorbed(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, rseq=5))
    wire.sent()
    for _ in range(3):
        wire.receive(reliable(wire, invite, rseq=5))
    assert wire.sent() == []
    assert progress(wire) == [180]
    call.terminate()
    wire.over()


def test_one_out_of_order_is_not_looked_at(wire, alice):
    # §4: the peer sends it again, once those before it have come.
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 180, 5))
    wire.sent()
    for rseq in (7, 4, 4_000_000_000):
        wire.receive(reliable(wire, invite, 183, rseq, body=b"yes"))
    assert wire.sent() == []
    assert (progress(wire), call.progress) == ([180], 180)
    assert wire.medias[0].done == ["offer"]
    wire.receive(reliable(wire, invite, 182, 6))
    wire.receive(reliable(wire, invite, 183, 7, body=b"yes"))
    assert [str(one["RAck"]).split()[0] for one in wire.sent()] == ["6", "7"]
    assert progress(wire) == [180, 182, 183]


def test_each_fork_counts_by_itself(wire, alice):
    _, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 180, 5, "b1"))
    wire.receive(reliable(wire, invite, 180, 900, "b2"))
    wire.receive(reliable(wire, invite, 183, 6, "b1"))
    wire.receive(reliable(wire, invite, 183, 902, "b2"))
    sent = [(one.to.tag, str(one["RAck"]).split()[0]) for one in wire.sent()]
    assert sent == [("b1", "5"), ("b2", "900"), ("b1", "6")]


@pytest.mark.parametrize(
    "headers",
    [
        [("RSeq", "1")],
        [("Require", "100rel")],
        [("Require", "other"), ("RSeq", "1")],
        [("Require", "100rel"), ("RSeq", "")],
        [("Require", "100rel"), ("RSeq", "0")],
        [("Require", "100rel"), ("RSeq", "many")],
        [("Require", "a b"), ("RSeq", "1")],
    ],
)
def test_what_is_not_reliable_gets_no_prack(wire, alice, headers):
    _, invite = wire.invite(alice)
    data = wire.answer(invite, 180)
    lines = "".join(f"\r\n{name}: {value}" for name, value in headers).encode()
    wire.receive(data.replace(b"\r\nContact:", lines + b"\r\nContact:"))
    assert wire.sent() == []
    assert progress(wire) == [180]


def test_a_100_is_never_reliable(wire, alice):
    _, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 100))
    assert wire.sent() == []


def test_without_a_tag_there_is_nowhere_to_send_it(wire, alice):
    _, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 180, tag=""))
    assert wire.sent() == []


def test_it_is_sent_again_as_any_request_and_its_loss_ends_nothing(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 100))
    wire.receive(reliable(wire, invite))
    wire.pass_until(33)
    assert wire.starts().count("PRACK") == 11
    assert call.state == "InitiatingDialog"
    wire.receive(wire.answer(invite, 504))
    wire.sent()
    assert call.state == "Error"
    wire.over()


@pytest.mark.parametrize("status", [481, 408, 500, 400])
def test_a_prack_that_is_refused_ends_no_call_that_was_answered(wire, alice, status):
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite))
    prack = wire.one()
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    wire.sent()
    wire.receive(wire.answer(prack, status))
    assert (call.state, wire.sent()) == ("InDialog", [])
    call.terminate()
    wire.over()


def test_none_is_acknowledged_after_the_end(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, rseq=1))
    wire.sent()
    call.terminate()
    assert wire.starts() == ["CANCEL"]
    wire.receive(reliable(wire, invite, 183, 2))
    assert wire.sent() == []
    wire.over()


def test_each_attempt_counts_anew(wire, alice):
    alice.retry_wait = 20.0
    _, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, rseq=5))
    wire.sent()
    wire.receive(wire.answer(invite, 503, headers=[("Retry-After", "1")]))
    wire.sent()
    wire.pass_until(2)
    again = next(one for one in wire.sent() if one.method == "INVITE")
    wire.receive(reliable(wire, again, rseq=40))
    (prack,) = wire.sent()
    assert str(prack["RAck"]) == f"40 {again.cseq.number} INVITE"


# ---------------------------------------------------------------- the answer


def test_the_answer_that_it_brings_is_the_answer(wire, alice):
    # RFC 6337 §3.1.1: what comes after it is none, whatever it says.
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 183, body=b"yes"))
    assert wire.starts() == ["PRACK"]
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    wire.receive(reliable(wire, invite, 180, 2, body=b"other"))
    wire.receive(wire.answer(invite, 200, body=b"third"))
    assert wire.starts() == ["PRACK", "ACK"]
    assert wire.medias[0].done == ["offer", b"accept yes", "start", "start"]
    assert wire.kinds()[-1] is CallEstablished
    call.terminate()
    wire.over()


def test_a_2xx_needs_to_bring_none_then(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 183, body=b"yes"))
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["PRACK", "ACK"]
    assert call.state == "InDialog"


def test_a_preview_is_confirmed_by_it(wire, alice):
    # RFC 6337 §3.1.1, figure 1: F2, F3, F6, F12.
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 183, body=b"yes"))
    wire.receive(reliable(wire, invite, 180))
    wire.receive(reliable(wire, invite, 183, 2, body=b"yes"))
    wire.receive(reliable(wire, invite, 180, 3))
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["PRACK"] * 3 + ["ACK"]
    assert wire.medias[0].done == ["offer", b"accept yes", "start", "start", "start"]
    assert call.state == "InDialog"


@pytest.mark.parametrize("body", [b"bad", b""])
def test_an_answer_that_cannot_be_used_ends_the_call(wire, alice, body):
    call, invite = wire.invite(alice)
    wire.receive(reliable(wire, invite, 183, body=body))
    if not body:
        wire.receive(wire.answer(invite, 200))
        assert wire.starts() == ["PRACK", "ACK", "BYE"]
    else:
        assert sorted(wire.starts()) == ["CANCEL", "PRACK"]
        wire.receive(wire.answer(invite, 487))
        wire.sent()
    assert call.state == "Error"
    assert call.last_error.status == 488
    wire.over()


def test_an_answer_may_be_taken_later(wire, alice):
    pending = Pending()
    call, invite = wire.invite(alice)
    wire.medias[0].accept = lambda answer: pending
    wire.receive(reliable(wire, invite, 183, body=b"yes"))
    assert wire.starts() == ["PRACK"]
    wire.receive(wire.answer(invite, 200))
    assert wire.starts() == ["ACK"]
    pending.resolve(None)
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- an INVITE without an offer


def test_the_offer_that_it_brings_is_answered_in_the_prack(wire, alice):
    # RFC 3262 §5, RFC 6337 §3.1.2
    call, invite = wire.invite(alice, late_offer=True)
    assert invite.body == b""
    wire.receive(reliable(wire, invite, 183, body=b"theirs"))
    prack = wire.one()
    assert (prack.method, prack.body) == ("PRACK", b"answer to theirs")
    assert wire.medias[0].done == ["answer", "start"]
    wire.receive(reliable(wire, invite, 180, 2, body=b"again"))
    wire.receive(wire.answer(invite, 200, body=b"once more"))
    assert [one.body for one in wire.sent()] == [b"", b""]
    assert call.state == "InDialog"
    assert wire.medias[0].done == ["answer", "start", "start"]


def test_an_offer_that_cannot_be_answered_is_refused_and_the_call_ended(wire, alice):
    call, invite = wire.invite(alice, late_offer=True)
    wire.receive(reliable(wire, invite, 183, body=b"bad"))
    sent = {one.method: one.body for one in wire.sent()}
    assert sent == {"PRACK": b"none of bad", "CANCEL": b""}
    assert call.state == "Error"
    wire.receive(wire.answer(invite, 487))
    wire.sent()
    wire.over()


def test_one_without_media_takes_no_stream(wire):
    agent = wire.agent("sip:alice@atlanta.com")
    agent.reject_offer = lambda offer, address: b"none of " + offer
    _call, invite = wire.invite(agent)
    wire.receive(reliable(wire, invite, 183, body=b"theirs"))
    assert wire.one().body == b"none of theirs"


# ---------------------------------------------------------------- both sides


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("late_offer", [False, True])
def test_a_call_with_early_media_over_a_network_that_loses(make_pair, media, seed, late_offer):
    pair = make_pair(seed, loss=0.3 if seed else 0.0, delay=(0.01, 0.2))
    sessions = []

    def open_session(dialog, flow):
        sessions.append(media())
        return sessions[-1]

    for agent in (pair.alice, pair.bob):
        agent.open_session = open_session
    mine = pair.call(late_offer=late_offer)
    pair.network.run(lambda: pair.bob.dialogs)
    (its,) = pair.bob.dialogs
    its.ring(183, media=True, reliable=True)
    its.accept()
    pair.network.run(lambda: mine.state == "InDialog" and its._invited is None)
    assert its.state == "InDialog"
    assert pair.count("PRACK") >= 1
    assert all("start" in session.done for session in sessions)
    mine.terminate()
    pair.quiet()


# ---------------------------------------------------------------- headers of ACK and PRACK


def test_ack_and_prack_may_say_more(wire, alice):
    call, invite = wire.invite(alice)
    assert call.add_headers("PRACK", [("X-Any", "1")]) is call
    call.add_headers("ACK", {"X-Any": "2"})
    wire.receive(reliable(wire, invite, body=b"yes"))
    wire.receive(wire.answer(invite, 200))
    assert [(one.method, one["X-Any"]) for one in wire.sent()] == [("PRACK", "1"), ("ACK", "2")]
    change = call.hold()
    wire.receive(wire.answer(wire.one(), 200, body=b"yes"))
    assert wire.one()["X-Any"] == "2"
    assert change.state == "Done"
    assert not SimpleCall(alice).more_fields
    call.terminate()
    assert "X-Any" not in wire.one()


@pytest.mark.parametrize(
    ("method", "headers", "error"),
    [
        ("BYE", {}, UsageError),
        ("ACK", {"Via": "x"}, BuildError),
        ("ACK", {"X": "a\r\nb"}, BuildError),
    ],
)
def test_headers_that_cannot_be_added(wire, alice, method, headers, error):
    call, _ = wire.invite(alice)
    with pytest.raises(error):
        call.add_headers(method, headers)


# ---------------------------------------------------------------- an offer that is not there yet


def test_a_call_that_is_cancelled_while_its_offer_is_made_ends_at_once(wire, alice):
    pending, make = Pending(), alice.open_session

    def slow(dialog, flow):
        session = make(dialog, flow)
        session.offer = lambda: pending
        return session

    alice.open_session = slow
    call = SimpleCall(alice).invite("sip:bob@10.0.0.9")
    assert wire.sent() == []
    call.terminate()
    assert call.state == "Terminated"
    pending.resolve(b"late")
    assert wire.sent() == []
    wire.over()


def test_endless_reliable_responses_make_no_endless_pracks(wire, alice):
    """Each PRACK goes to whom the response names, eleven times where nobody answers."""
    call, invite = wire.invite(alice)
    for rseq in range(1, 500):
        wire.receive(reliable(wire, invite, rseq=rseq, contact="<sip:third@10.0.0.66>"))
    assert wire.starts() == ["PRACK"] * MAX_PRACKS
    assert wire.core.counts()["client_transactions"] == MAX_PRACKS + 1
    assert len(progress(wire)) == MAX_PRACKS
    # The next one comes again, and is taken when those before are over.
    wire.pass_until(33)
    wire.sent()
    wire.receive(reliable(wire, invite, rseq=MAX_PRACKS + 1))
    assert wire.starts() == ["PRACK"]
    call.terminate()
    wire.pass_until(34)
    wire.receive(wire.answer(invite, 487))
    wire.over()

"""A call, seen from the side that calls, up to its answer (RFC 3261 §13.2).

The test is the peer.
"""

import pytest

from sipparty.errors import (
    CallRejected,
    CallTimedOut,
    CallUnreachable,
    ParseError,
    UsageError,
)
from sipparty.sip import Message, SimpleCall
from sipparty.sip.events import CallEnded, CallEstablished, CallProgressed
from sipparty.sip.routing import NextHop


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


@pytest.fixture
def calling(wire, alice):
    return wire.invite(alice)


# ---------------------------------------------------------------- the INVITE (§8.1.1, §13.2.1)


def test_the_invite(wire, alice):
    call, invite = wire.invite(alice, headers=[("Subject", "lunch")])
    assert call.state == "InitiatingDialog"
    assert call.role == "caller"
    assert invite.uri_text == "sip:bob@10.0.0.9"
    assert invite.lines("To") == ["<sip:bob@10.0.0.9>"]
    assert invite.from_.uri_text == "sip:alice@atlanta.com"
    assert invite.from_.tag
    assert invite.call_id == call.call_id
    assert (invite.cseq.method, invite.max_forwards) == ("INVITE", 70)
    assert invite.contact.uri_text == "sip:alice@10.0.0.1:5060"
    assert " ".join(invite.allow) == "INVITE OPTIONS ACK BYE CANCEL PRACK UPDATE NOTIFY REFER"
    assert invite["Subject"] == "lunch"
    assert invite.body == b""
    assert "Expires" not in invite


def test_a_preloaded_route_is_the_next_hop(wire, alice):
    _call, invite = wire.invite(alice, "sip:bob@biloxi.com", routes=("<sip:10.0.0.5:5070;lr>",))
    assert invite.lines("Route") == ["<sip:10.0.0.5:5070;lr>"]
    assert invite.uri_text == "sip:bob@biloxi.com"
    assert wire.core.transactions.clients
    (transaction,) = wire.core.transactions.clients.values()
    assert transaction.flow.remote == ("10.0.0.5", 5070)


def test_a_next_hop_of_its_own_leaves_the_invite_alone(wire, alice):
    _, invite = wire.invite(alice, "sip:bob@biloxi.com", next_hop=NextHop("10.0.0.5"))
    assert "Route" not in invite
    (transaction,) = wire.core.transactions.clients.values()
    assert transaction.flow.remote == ("10.0.0.5", 5060)


@pytest.mark.parametrize("uri", ["tel:+15551234", "nonsense", "sip:"])
def test_what_is_no_address_cannot_be_called(wire, alice, uri):
    call = SimpleCall(alice)
    with pytest.raises(ParseError):
        call.invite(uri)
    assert call.state == "Initial"
    assert not alice.dialogs


def test_a_header_that_cannot_be_written_changes_nothing(wire, alice):
    call = SimpleCall(alice)
    with pytest.raises(UsageError):
        call.invite("sip:bob@10.0.0.9", headers=[("Subject", "a\r\nb")])
    assert call.state == "Initial"
    assert not alice.dialogs


# ---------------------------------------------------------------- answers


def test_provisional_responses_are_progress(wire, calling):
    call, invite = calling
    for status in (100, 180, 183):
        wire.receive(wire.answer(invite, status))
        assert (call.state, call.progress) == ("InitiatingDialog", status)
    progress = [e for e in wire.happened if isinstance(e, CallProgressed)]
    assert [event.response.status for event in progress] == [180, 183]


def test_a_2xx_is_acknowledged_and_makes_the_dialog(wire, calling):
    call, invite = calling
    routes = [("Record-Route", "<sip:10.0.0.7;lr>"), ("Record-Route", "<sip:10.0.0.8;lr>")]
    wire.receive(wire.answer(invite, 200, headers=routes))
    ack, flow = wire.way()
    assert call.state == "InDialog"
    assert ack.method == "ACK"
    assert ack.uri_text == "sip:bob@10.0.0.9"
    assert ack.cseq.number == invite.cseq.number
    assert ack.to.tag == "b1"
    assert ack.lines("Route") == ["<sip:10.0.0.8;lr>", "<sip:10.0.0.7;lr>"]
    assert ack.via.branch != invite.via.branch  # §13.2.2.4: a transaction of its own
    assert flow.remote == ("10.0.0.8", 5060)
    assert wire.kinds() == [CallEstablished]
    assert list(wire.core.dialogs) == [(invite.call_id, invite.from_.tag, "b1")]


def test_a_2xx_that_comes_again_is_acknowledged_again(wire, calling):
    call, invite = calling
    answer = wire.answer(invite, 200)
    wire.receive(answer)
    first = wire.one()
    for _ in range(3):
        wire.receive(answer)
        assert bytes(wire.one()) == bytes(first)
    assert wire.kinds() == [CallEstablished]
    call.terminate()
    wire.sent()
    wire.receive(answer)
    assert wire.starts() == ["ACK"]


def test_a_2xx_of_an_old_peer_without_a_tag_is_no_fork_of_itself(wire, calling):
    call, invite = calling
    for _ in range(3):
        wire.receive(wire.answer(invite, 200, tag=""))
        assert wire.starts() == ["ACK"]
    assert not call.forks
    assert call.dialog_state.remote_tag == ""


def test_a_2xx_after_the_transaction_is_gone_is_stray(wire, calling):
    _, invite = calling
    wire.receive(wire.answer(invite, 200))
    wire.pass_until(33)
    wire.sent()
    wire.receive(wire.answer(invite, 200))
    assert wire.sent() == []
    assert wire.core.counters["stray_responses"] == 1


@pytest.mark.parametrize("status", [301, 404, 486, 500, 603])
def test_a_failure_is_an_error_that_says_why(wire, calling, status):
    call, invite = calling
    wire.receive(wire.answer(invite, 180))
    wire.receive(wire.answer(invite, status))
    assert wire.starts() == ["ACK"]
    assert call.state == "Error"
    error = call.last_error
    assert isinstance(error, CallRejected)
    assert (error.status, error.response.status) == (status, status)
    assert str(error) == f"The other side answered {status} {error.reason}."
    assert [type(e) for e in wire.happened][-1] is CallEnded
    assert wire.ended() == [(call, error)]
    wire.over()


def test_no_answer_is_a_408(wire, calling):
    call, _ = calling
    wire.pass_until(32)
    assert call.state == "Error"
    assert isinstance(call.last_error, CallTimedOut)
    assert call.last_error.status == 408
    assert str(call.last_error) == "10.0.0.9:5060 did not answer within 32 s."
    wire.over()


def test_no_flow_is_a_503(wire, alice):
    wire.hold_flows = True
    call = SimpleCall(alice).invite("sip:bob@biloxi.com")
    wire.pump()
    (wanted,) = wire.wanted
    assert wanted.next_hop.host == "biloxi.com"
    wire.core.flow_failed(wanted, "biloxi.com is not to be found.", wire.now)
    assert isinstance(call.last_error, CallUnreachable)
    assert call.last_error.status == 503
    assert str(call.last_error) == "biloxi.com is not to be found."
    wire.over()


def test_media_that_cannot_be_opened_fails_the_call(wire, alice):
    def no_port(dialog, flow):
        raise OSError("no port is free")

    alice.open_session = no_port
    call = SimpleCall(alice).invite("sip:bob@10.0.0.9")
    assert wire.sent() == []
    assert call.state == "Error"
    assert str(call.last_error) == "The request could not be made: no port is free"
    assert isinstance(call.last_error.__cause__, OSError)
    wire.over()


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        ({"contact": "<sip:bob%zz@10.0.0.9>"}, b"", b""),
        ({"contact": "<tel:+15551234>"}, b"", b""),
        ({"headers": [("Record-Route", "<tel:+1>")]}, b"", b""),
        ({"headers": [("Record-Route", "<sip:p1;lr>, <sip:a%zz@p2;lr>")]}, b"", b""),
        ({"contact": "<sip:bob@10.0.0.9;maddr=nowhere!>"}, b"", b""),
    ],
)
def test_a_2xx_that_makes_no_dialog_fails_the_call(wire, calling, change, old, new):
    call, invite = calling
    # §13.2.2.4: it is acknowledged all the same, and hung up, by the way of the INVITE.
    bad = wire.answer(invite, 200, **change).replace(old, new)
    wire.receive(bad)
    assert call.state == "Error"
    assert str(call.last_error).startswith("The answer cannot be used: ")
    ack, bye = wire.sent()
    for message in (ack, bye):
        assert (message.uri_text, message.to.tag) == (invite.uri_text, "b1")
        assert "Route" not in message
    assert (ack.method, ack.cseq.number) == ("ACK", invite.cseq.number)
    assert (bye.method, bye.cseq.number) == ("BYE", invite.cseq.number + 1)
    wire.receive(bad)
    assert bytes(wire.one()) == bytes(ack)
    assert len(wire.ended()) == 1
    wire.over()


@pytest.mark.parametrize("to", ['<sip:bob@10.0.0.9>;tag="b1', "", "<sip:bob%zz@10.0.0.9>;tag=b1"])
def test_a_response_that_does_not_say_whose_it_is_is_dropped(wire, calling, to):
    call, invite = calling
    bad = wire.answer(invite, 200).replace(b"To: <sip:bob@10.0.0.9>;tag=b1", b"To: " + to.encode())
    wire.receive(bad)
    assert call.state == "InitiatingDialog"
    assert wire.core.counters["malformed"] == 1
    wire.receive(wire.answer(invite, 200))
    assert call.state == "InDialog"


def test_bad_2xx_do_not_touch_a_call_that_is_up(wire, calling):
    call, invite = calling
    wire.receive(wire.answer(invite, 200))
    wire.receive(wire.answer(invite, 200, contact="<tel:+15551234>"))
    assert wire.starts() == ["ACK", "ACK"]  # §13.2.2.4: it is acknowledged each time it comes
    assert call.state == "InDialog"


# ---------------------------------------------------------------- media


@pytest.fixture
def talker(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def test_the_offer_is_in_the_invite_and_the_answer_in_the_2xx(wire, talker):
    _call, invite = wire.invite(talker)
    assert invite.body == b"offer"
    assert str(invite.content_type) == "application/sdp"
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert wire.one().body == b""


@pytest.mark.parametrize(("body", "word"), [(b"bad", "no answer"), (b"", "no session")])
def test_an_answer_that_cannot_be_used_ends_the_call(wire, talker, body, word):
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=body))
    assert wire.starts() == ["ACK", "BYE"]
    assert call.state == "Error"
    assert word in str(call.last_error)
    assert wire.medias[0].done[-1] == "stop"
    wire.receive(wire.answer(invite, 200, body=body))
    assert wire.starts() == ["ACK"]
    wire.over()


def test_early_media_flows_by_the_answer_of_a_provisional_response(wire, talker):
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 183, body=b"early"))
    wire.receive(wire.answer(invite, 183, body=b"early"))
    assert wire.medias[0].done == ["offer", b"accept early", "start"]
    wire.receive(wire.answer(invite, 200, body=b"early"))
    assert wire.medias[0].done == ["offer", b"accept early", "start", "start"]
    assert call.state == "InDialog"


@pytest.mark.parametrize("tag", ["", "b1"])
def test_the_answer_may_have_come_before_the_2xx(wire, talker, tag):
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 183, tag=tag, body=b"early"))
    wire.receive(wire.answer(invite, 200, tag=tag))
    assert call.state == "InDialog"


def test_the_2xx_of_another_branch_brings_its_own_answer(wire, talker):
    _, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 183, tag="b1", body=b"early"))
    wire.receive(wire.answer(invite, 200, tag="b2", body=b"yes"))
    assert wire.medias[0].done == ["offer", b"accept early", "start", b"accept yes", "start"]


def test_early_media_that_cannot_be_used_waits_for_the_2xx(wire, talker):
    call, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 183, body=b"bad"))
    assert call.state == "InitiatingDialog"
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    assert call.state == "InDialog"
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]


def test_a_late_offer_is_answered_in_the_ack(wire, talker):
    call, invite = wire.invite(talker, late_offer=True)
    assert invite.body == b""
    assert "Content-Type" not in invite
    wire.receive(wire.answer(invite, 200, body=b"their offer"))
    ack = wire.one()
    assert ack.body == b"answer to their offer"
    assert str(ack.content_type) == "application/sdp"
    assert wire.medias[0].done == ["answer", "start"]
    assert call.state == "InDialog"
    wire.receive(wire.answer(invite, 200, body=b"their offer"))
    assert bytes(wire.one()) == bytes(ack)


@pytest.mark.parametrize("body", [b"", b"bad", b"garbage"])
def test_a_late_offer_that_cannot_be_used_ends_the_call(wire, talker, body):
    call, invite = wire.invite(talker, late_offer=True)
    wire.receive(wire.answer(invite, 200, body=body))
    ack, bye = wire.sent()
    assert (ack.method, ack.body, bye.method) == ("ACK", b"", "BYE")
    assert call.state == "Error"
    wire.over()


def refuse(offer, address):
    if offer == b"garbage":
        raise ParseError("garbage", "a v= line", 0, what="session description")
    return b"refused " + offer + b" at " + address.encode()


@pytest.mark.parametrize(
    ("body", "answer"),
    [(b"bad", b"refused bad at 10.0.0.1"), (b"garbage", b""), (b"", b"")],
)
@pytest.mark.parametrize("cancelled", [False, True])
def test_the_ack_answers_a_late_offer_that_nobody_takes(wire, talker, body, answer, cancelled):
    """§13.2.2.4: a valid answer, then BYE."""
    talker.reject_offer = refuse
    call, invite = wire.invite(talker, late_offer=True)
    if cancelled:
        wire.receive(wire.answer(invite, 180))
        call.terminate()
        wire.sent()
    wire.receive(wire.answer(invite, 200, body=body))
    ack, bye = wire.sent()
    assert (ack.method, ack.body, bye.method) == ("ACK", answer, "BYE")
    assert ("Content-Type" in ack) == bool(answer)
    wire.receive(wire.answer(bye, 200))
    assert call.state == ("Terminated" if cancelled else "Error")
    wire.over()


def test_an_offer_to_a_party_without_media_is_answered_too(wire, alice):
    """It is answered as every offer is; the call stays, without media."""
    alice.reject_offer = refuse
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    ack = wire.one()
    assert ack.body == b"refused theirs at 10.0.0.1"
    assert str(ack.content_type) == "application/sdp"
    assert call.state == "InDialog"
    assert call.session is None


def test_a_fork_that_offers_is_answered_before_it_is_hung_up(wire, alice):
    alice.reject_offer = refuse
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"first"))
    wire.receive(wire.answer(invite, 200, tag="b2", body=b"second"))
    ack, forked, bye = wire.sent()
    assert (ack.body, forked.body) == (b"refused first at 10.0.0.1", b"refused second at 10.0.0.1")
    assert bye.method == "BYE"
    assert call.state == "InDialog"


def test_a_fork_that_answers_our_offer_is_acknowledged_without_another(wire, talker):
    talker.reject_offer = refuse
    _, invite = wire.invite(talker)
    wire.receive(wire.answer(invite, 200, body=b"first"))
    wire.receive(wire.answer(invite, 200, tag="b2", body=b"second"))
    ack, forked, bye = wire.sent()
    assert (ack.body, forked.body, bye.method) == (b"", b"", "BYE")


def test_a_route_that_cannot_be_followed_is_found_behind_others_too(wire, calling):
    call, invite = calling
    routes = [("Record-Route", "<sip:p1.example;lr>"), ("Record-Route", "<tel:+1>")]
    wire.receive(wire.answer(invite, 200, headers=routes))
    assert call.state == "Error"
    assert str(call.last_error).startswith("The answer cannot be used: 'tel:+1'")
    assert wire.starts() == ["ACK", "BYE"]


def test_a_2xx_that_cannot_be_used_goes_back_by_the_flow_of_the_invite(wire, alice):
    call = SimpleCall(alice)
    call.invite("sip:bob@biloxi.com", next_hop=NextHop("10.0.0.5", 5070))
    invite, flow = wire.way()
    wire.hold_flows = True
    wire.receive(wire.answer(invite, 200, contact="<tel:+15551234>"), flow)
    assert [wanted.endpoint for wanted in wire.wanted] == [flow, flow]


# ---------------------------------------------------------------- early dialogs (§12.1)


def within(wire, invite, answer, method):
    """A request of the other side's in the early dialog that a response has made."""
    return wire.request(
        method,
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_=str(answer.to),
        call_id=invite.call_id,
        branch=f"z9hG4bK{method}",
    )


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("INVITE", 491), ("UPDATE", 200), ("DANCE", 501), ("BYE", 481)],
)
def test_requests_in_an_early_dialog(wire, calling, method, status):
    call, invite = calling
    ringing = Message.parse(wire.answer(invite, 180))
    wire.receive(ringing)
    wire.receive(within(wire, invite, ringing, method))
    assert wire.starts() == [status]
    assert call.state == "InitiatingDialog"
    wire.receive(wire.answer(invite, 200))
    assert call.state == "InDialog"
    assert len(wire.core.dialogs) == 1


@pytest.mark.parametrize("end", ["none yet", "refused", "given up"])
def test_there_is_no_early_dialog_before_progress_and_after_the_end(wire, calling, end):
    _, invite = calling
    ringing = Message.parse(wire.answer(invite, 180))
    wire.receive(wire.answer(invite, 100, tag=""))
    if end == "refused":
        wire.receive(ringing)
        wire.receive(wire.answer(invite, 486))
    elif end == "given up":
        wire.receive(ringing)
        wire.pass_until(181)
    wire.sent()
    wire.receive(within(wire, invite, ringing, "OPTIONS"))
    assert wire.starts() == [481]
    assert not wire.core.dialogs


# ---------------------------------------------------------------- what may not happen


def test_a_reason_phrase_is_shown_without_what_a_terminal_would_obey(wire, calling):
    call, invite = calling
    refusal = wire.answer(invite, 486).replace(b"Busy Here", b"Busy \x1b[2J\xe2\x80\xaeHere")
    wire.receive(refusal)
    assert str(call.last_error) == r"The other side answered 486 Busy \x1b[2J\u202eHere."
    assert call.last_error.reason == "Busy \x1b[2J\u202eHere"  # as it came


@pytest.mark.parametrize("where", ["accept", "start", "answer"])
def test_a_session_that_raises_ends_its_call_properly(wire, talker, caplog, where):
    """The 2xx is acknowledged, and the call hung up."""
    call, invite = wire.invite(talker, late_offer=where == "answer")

    def fail(*_):
        raise RuntimeError("no sound card")

    setattr(wire.medias[0], where, fail)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert wire.starts() == ["ACK", "BYE"]
    assert "no sound card" in str(call.last_error)
    assert isinstance(call.last_error.__cause__, RuntimeError)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_early_media_that_raises_waits_for_the_2xx(wire, talker, caplog):
    call, invite = wire.invite(talker)
    accept = wire.medias[0].accept

    def fail(_):
        raise RuntimeError("not yet")

    wire.medias[0].accept = fail
    wire.receive(wire.answer(invite, 183, body=b"theirs"))
    assert call.progress == 183
    wire.medias[0].accept = accept
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    assert call.state == "InDialog"


@pytest.mark.parametrize("expires", [-1, float("nan"), float("inf"), 2**32])
def test_a_patience_that_is_none(wire, alice, expires):
    call = SimpleCall(alice)
    with pytest.raises(UsageError, match="expires is in seconds"):
        call.invite("sip:bob@10.0.0.9", expires=expires)
    assert call.state == "Initial"
    assert not alice.dialogs

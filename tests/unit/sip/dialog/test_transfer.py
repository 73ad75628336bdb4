"""A transfer of ours: REFER, reports and the outcome (RFC 3515, RFC 5589)."""

import pytest

from sipparty.errors import (
    CallFailed,
    CallRejected,
    CallTimedOut,
    NegotiationError,
    UnexpectedInput,
    UsageError,
)
from sipparty.sip.auth import DigestClient
from sipparty.sip.dialog.transfer import Transfer, TransferEnded, TransferProgressed


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


def established(wire, agent, tag="b1"):
    """A call of ours to the test that is up, and its INVITE."""
    call, invite = wire.invite(agent)
    contact = f"<sip:{tag}@10.0.0.9>"
    wire.receive(wire.answer(invite, 200, tag=tag, contact=contact, body=b"yes"))
    wire.sent()
    wire.happened.clear()
    return call, invite


@pytest.fixture
def up(wire, alice):
    return established(wire, alice)


def within(wire, invite, method, number, tag="b1", **changes):
    """A request of the other side's in the dialog of our INVITE."""
    return wire.request(
        method,
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_=f"<sip:bob@10.0.0.9>;tag={tag}",
        call_id=invite.call_id,
        number=number,
        branch=f"z9hG4bK{method}{number}{tag}",
        **changes,
    )


def report(wire, invite, number, status, state="active;expires=60", id=None, **changes):
    """Send a NOTIFY of a refer event; return what it is answered."""
    event = "refer" if id is None else f"refer;id={id}"
    body = f"SIP/2.0 {status} Whatever\r\n".encode() if isinstance(status, int) else status
    headers = [f"Event: {event}", f"Subscription-State: {state}"]
    changes.setdefault("kind", "message/sipfrag;version=2.0")
    wire.receive(within(wire, invite, "NOTIFY", number, headers=headers, body=body, **changes))
    return wire.sent()


LAST = "terminated;reason=noresource"


def statuses(wire):
    return [event.status for event in wire.happened if isinstance(event, TransferProgressed)]


def ends(wire):
    return [event.error for event in wire.happened if isinstance(event, TransferEnded)]


def starts(messages):
    return [getattr(one, "method", "") or one.status for one in messages]


# ---------------------------------------------------------------- success


def test_a_blind_transfer(wire, up):
    call, invite = up
    transfer = call.transfer("carol@chicago.com")
    refer = wire.one()
    assert refer.method == "REFER"
    assert refer.uri_text == "sip:b1@10.0.0.9"
    assert refer.to.tag == "b1"
    assert str(refer["Refer-To"]) == "<sip:carol@chicago.com>"
    assert str(refer["Referred-By"]) == "<sip:alice@atlanta.com>"
    assert str(refer.contact) == str(invite.contact)
    assert "Refer-Sub" not in refer
    wire.receive(wire.answer(refer, 202))
    assert transfer.state == "Referred"
    assert starts(report(wire, invite, 1, 100)) == [200]
    assert starts(report(wire, invite, 2, 180)) == [200]
    assert (statuses(wire), transfer.status) == ([100, 180], 180)
    assert call.state == "InDialog"
    ok, bye = report(wire, invite, 3, 200, LAST)
    assert (ok.status, bye.method) == (200, "BYE")
    assert (transfer.state, transfer.last_error, transfer.status) == ("Terminated", None, 200)
    assert ends(wire) == [None]
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"
    wire.over()


def test_a_report_before_the_response_to_the_refer(wire, up):
    """RFC 3515 §2.4.4: it may come before."""
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    refer = wire.one()
    assert starts(report(wire, invite, 1, 100)) == [200]
    assert statuses(wire) == [100]
    assert starts(report(wire, invite, 2, 200, LAST)) == [200, "BYE"]
    assert transfer.state == "Terminated"
    wire.receive(wire.answer(refer, 200))
    assert transfer.state == "Terminated"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_accepts_it(wire, up, status):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), status))
    assert transfer.state == "Referred"


def test_an_outcome_that_is_not_the_last_report_is_the_last(wire, up):
    """What the subscription still brings is not waited for: it is ended."""
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    refer = wire.one()
    wire.receive(wire.answer(refer, 202))
    ok, *others = report(wire, invite, 1, 200, id=refer.cseq.number)
    assert ok.status == 200
    assert transfer.state == "Terminated"
    by_method = {one.method: one for one in others}
    assert set(by_method) == {"SUBSCRIBE", "BYE"}
    subscribe = by_method["SUBSCRIBE"]
    assert subscribe.expires == 0
    assert subscribe["Event"].parameter("id") == str(refer.cseq.number)
    wire.receive(wire.answer(by_method["BYE"], 200))
    wire.receive(wire.answer(subscribe, 200, headers=[("Expires", "0")]))
    assert starts(report(wire, invite, 2, 200, "terminated;reason=timeout")) == [200]
    assert ends(wire) == [None]
    wire.over()


def test_an_attended_transfer(wire, alice, up):
    call, invite = up
    other, second = established(wire, alice, "c1")
    transfer = call.transfer(other)
    refer = wire.one()
    value = f"{other.call_id};to-tag=c1;from-tag={second['From'].tag}"
    escaped = value.replace(";", "%3B").replace("=", "%3D")
    assert str(refer["Refer-To"]) == f"<sip:c1@10.0.0.9?Replaces={escaped}>"
    assert refer.to.tag == "b1"
    wire.receive(wire.answer(refer, 202))
    wire.receive(within(wire, second, "BYE", 1, "c1"))
    wire.sent()
    assert other.state == "Terminated"  # by who was to be replaced there
    assert starts(report(wire, invite, 1, 200, LAST)) == [200, "BYE"]
    assert transfer.wait(0) is transfer


def test_a_target_that_does_not_hang_up_is_hung_up(wire, alice, up):
    call, invite = up
    other, _ = established(wire, alice, "c1")
    transfer = call.transfer(other)
    wire.receive(wire.answer(wire.one(), 202))
    assert starts(report(wire, invite, 1, 200, LAST)) == [200, "BYE"]
    assert (call.state, other.state) == ("TerminatingDialog", "InDialog")
    assert transfer.wait(0) is transfer
    assert ends(wire) == []
    wire.pass_until(wire.now + 5)
    assert (transfer.state, other.state) == ("Terminated", "TerminatingDialog")
    assert ends(wire) == [None]


def test_a_transfer_waits_for_the_answer_of_its_target(wire, alice, up):
    """RFC 5589 §7.6."""
    call, _ = up
    other, second = wire.invite(alice)
    wire.receive(wire.answer(second, 180, tag="c1"))
    transfer = call.transfer(other)
    assert wire.sent() == []
    assert transfer.state == "Consulting"
    wire.receive(wire.answer(second, 200, tag="c1", body=b"yes"))
    ack, refer = wire.sent()
    assert (ack.method, refer.method, refer.to.tag) == ("ACK", "REFER", "b1")
    assert "Replaces=" in str(refer["Refer-To"])


def test_a_target_that_does_not_answer_is_nobody_to_transfer_to(wire, alice, up):
    call, _ = up
    other, second = wire.invite(alice)
    transfer = call.transfer(other)
    wire.receive(wire.answer(second, 486))
    wire.sent()
    assert transfer.state == "Error"
    assert "the call to transfer to has ended" in str(transfer.last_error)
    assert call.state == "InDialog"
    assert call.followers == other.followers == ()


def test_without_reports_the_call_is_hung_up_at_once(wire, up):
    """RFC 4488."""
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com", reports=False)
    refer = wire.one()
    assert refer["Refer-Sub"] == "false"
    wire.receive(wire.answer(refer, 202, headers=[("Refer-Sub", "false")]))
    assert wire.starts() == ["BYE"]
    assert (transfer.state, transfer.status) == ("Terminated", None)
    assert ends(wire) == [None]


@pytest.mark.parametrize("headers", [[], [("Refer-Sub", "true")]])
def test_who_reports_all_the_same_is_listened_to(wire, up, headers):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com", reports=False)
    wire.receive(wire.answer(wire.one(), 202, headers=headers))
    assert transfer.state == "Referred"
    assert starts(report(wire, invite, 1, 486, LAST)) == [200]
    assert transfer.state == "Error"


def test_headers_of_the_refer(wire, up):
    call, _ = up
    call.transfer("sip:carol@chicago.com", headers=[("Referred-By", "<sip:x@y>"), ("X-A", "b")])
    refer = wire.one()
    assert refer.lines("Referred-By") == ["<sip:x@y>"]
    assert refer["X-A"] == "b"


# ---------------------------------------------------------------- failure


@pytest.mark.parametrize("state", [LAST, "active;expires=60"])
def test_a_target_that_is_busy(wire, up, state):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 486, state)
    assert transfer.state == "Error"
    with pytest.raises(CallRejected, match="target of the transfer answered 486") as raised:
        transfer.wait(0)
    assert raised.value.status == 486
    assert raised.value.response.status == 486
    assert call.state == "InDialog"
    assert str(ends(wire)[0]) == str(raised.value)
    call.terminate()
    wire.over()


@pytest.mark.parametrize("status", [300, 302])
def test_a_redirection_is_no_answer(wire, up, status):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, status, LAST)
    assert transfer.last_error.status == status
    assert call.state == "InDialog"


@pytest.mark.parametrize("status", [403, 405, 501, 603])
def test_a_refer_that_is_refused(wire, up, status):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), status))
    assert transfer.state == "Error"
    assert transfer.last_error.status == status
    assert call.state == "InDialog"
    assert len(call.dialog_state.usages) == 1
    call.terminate()
    wire.over()


def test_a_refer_that_nobody_answers_ends_the_call_too(wire, up):
    """RFC 5057 §5: 408 ends the usage."""
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.pass_until(wire.now + 33)
    assert transfer.state == "Error"
    assert isinstance(transfer.last_error, CallTimedOut)
    assert call.state in ("TerminatingDialog", "Error")
    wire.over()


def test_who_never_reports(wire, up):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    wire.pass_until(wire.now + 40)
    assert transfer.state == "Error"
    assert "has not said what became of the transfer" in str(transfer.last_error)
    assert "No NOTIFY came within 32 s" in str(transfer.last_error)
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_who_reports_progress_for_ever(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com", patience=50)
    wire.receive(wire.answer(wire.one(), 202))
    start = wire.now
    for number in range(1, 6):
        report(wire, invite, number, 180, "active;expires=4000")
        wire.pass_until(start + 10 * number - 1)
        assert transfer.state == "Referred"
    wire.pass_until(start + 51)
    assert transfer.state == "Error"
    assert isinstance(transfer.last_error, CallTimedOut)
    assert set(wire.starts()) == {"SUBSCRIBE"}
    assert call.state == "InDialog"


def test_reports_that_run_out(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 180, "active;expires=20")
    wire.pass_until(wire.now + 21)
    assert transfer.state == "Error"
    assert "let it expire" in str(transfer.last_error)


@pytest.mark.parametrize("reason", ["noresource", "timeout", "rejected", "giveup"])
def test_reports_that_end_without_an_outcome(wire, up, reason):
    """RFC 3515 §2.4.4: who does not want to keep a subscription ends it with its first NOTIFY."""
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 100, f"terminated;reason={reason}")
    assert transfer.state == "Error"
    assert "has not said what became" in str(transfer.last_error)
    assert call.state == "InDialog"


def test_a_last_report_without_a_body_says_nothing(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    assert starts(report(wire, invite, 1, b"", LAST, kind=None)) == [200]
    assert transfer.state == "Error"


def test_a_report_that_is_none_is_refused(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    assert starts(report(wire, invite, 1, b"nonsense")) == [400]
    assert starts(report(wire, invite, 2, 200, kind="text/plain")) == [415]
    assert transfer.state == "Referred"
    report(wire, invite, 3, 200, LAST)
    assert transfer.state == "Terminated"


def test_the_call_ends_while_the_target_rings(wire, up):
    """Its reports may still come: the subscription keeps the dialog (RFC 5057 §4.1)."""
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 180)
    wire.receive(within(wire, invite, "BYE", 2))
    wire.sent()
    assert (call.state, transfer.state) == ("Terminated", "Referred")
    assert starts(report(wire, invite, 3, 200, LAST)) == [200]
    assert transfer.state == "Terminated"
    wire.over()


def test_who_has_hung_up_has_less_time_to_report(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 180, "active;expires=4000")
    wire.receive(within(wire, invite, "BYE", 2))
    wire.pass_until(wire.now + 31)
    assert transfer.state == "Referred"
    wire.pass_until(wire.now + 2)
    assert transfer.state == "Error"
    wire.over()


def test_hanging_up_ourselves_leaves_the_transfer_its_time(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 180, "active;expires=4000")
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.pass_until(wire.now + 100)
    assert (call.state, transfer.state) == ("Terminated", "Referred")
    report(wire, invite, 2, 200, LAST)
    assert transfer.state == "Terminated"
    wire.over()


def test_a_bye_that_crosses_the_refer(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    refer = wire.one()
    wire.receive(within(wire, invite, "BYE", 1))
    wire.sent()
    assert (call.state, transfer.state) == ("Terminated", "Referring")
    wire.receive(wire.answer(refer, 481))
    assert transfer.state == "Error"
    assert transfer.last_error.status == 481
    wire.over()


def test_it_can_be_given_up(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    report(wire, invite, 1, 180)
    transfer.hit("terminate")
    assert transfer.state == "Error"
    assert "given up here" in str(transfer.last_error)
    assert wire.starts() == ["SUBSCRIBE"]
    assert call.state == "InDialog"
    assert call.followers == ()


def test_it_is_a_service_of_its_agent_while_it_lasts(wire, alice, up):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com")
    assert transfer in alice.services
    transfer.give_up(CallFailed("The engine is closed."))
    assert transfer.state == "Error"
    assert not any(isinstance(one, Transfer) for one in alice.services)


# ---------------------------------------------------------------- several REFERs (§2.4.6)


def test_reports_of_two_transfers_are_told_apart(wire, up):
    call, invite = up
    first, second = call.transfer("sip:c@d"), call.transfer("sip:e@f")
    one, two = wire.sent()
    for refer in (one, two):
        wire.receive(wire.answer(refer, 202))
    assert starts(report(wire, invite, 1, 180, id=two.cseq.number)) == [200]
    assert (first.status, second.status) == (None, 180)
    assert starts(report(wire, invite, 2, 183)) == [200]  # of the first, which may have no id
    assert (first.status, second.status) == (183, 180)
    assert starts(report(wire, invite, 3, 486, LAST, id=one.cseq.number)) == [200]
    assert (first.state, second.state) == ("Error", "Referred")
    assert starts(report(wire, invite, 4, 181)) == [200]
    assert second.status == 181
    assert starts(report(wire, invite, 5, 200, LAST, id=two.cseq.number)) == [200, "BYE"]
    assert second.state == "Terminated"


@pytest.mark.parametrize("event", ["refer;id=1", "presence", "refer.x"])
def test_a_report_of_another_event_is_nobodys(wire, up, event):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    wire.receive(wire.answer(wire.one(), 202))
    headers = [f"Event: {event}", "Subscription-State: active"]
    wire.receive(within(wire, invite, "NOTIFY", 1, headers=headers))
    assert wire.starts() == [481]
    assert transfer.state == "Referred"


# ---------------------------------------------------------------- hold


def held(wire, invite):
    """Answer the INVITE that holds."""
    hold = wire.one()
    assert hold.body == b"offer"
    assert wire.medias[0].done[-1] == "offer sendonly"
    wire.receive(wire.answer(hold, 200, body=b"fine"))
    return wire.sent()


def test_the_other_side_is_held_first_if_asked_for(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com", hold=True)
    assert transfer.state == "Holding"
    ack, refer = held(wire, invite)
    assert (ack.method, refer.method) == ("ACK", "REFER")
    assert call.held
    wire.receive(wire.answer(refer, 202))
    report(wire, invite, 1, 486, LAST)
    assert transfer.state == "Error"
    assert wire.medias[0].done[-1] == "offer sendrecv"  # the call is given back


def test_a_hold_that_was_there_stays(wire, up):
    call, invite = up
    call.hold()
    held(wire, invite)
    call.transfer("sip:carol@chicago.com", hold=True)
    refer = wire.one()
    assert refer.method == "REFER"
    wire.receive(wire.answer(refer, 603))
    assert wire.sent() == []
    assert call.held


def test_a_hold_that_fails_hinders_nothing(wire, up):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com", hold=True)
    wire.receive(wire.answer(wire.one(), 488))
    assert wire.starts() == ["ACK", "REFER"]
    assert transfer.state == "Referring"


def test_a_hold_that_fails_at_once_hinders_nothing(wire, up):
    call, _ = up

    def offer(direction=None):
        raise NegotiationError("There is nothing to offer.")

    wire.medias[0].offer = offer
    transfer = call.transfer("sip:carol@chicago.com", hold=True)
    assert wire.starts() == ["REFER"]
    assert transfer.state == "Referring"


def test_the_call_ends_before_the_refer(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com", hold=True)
    hold = wire.one()
    wire.receive(within(wire, invite, "BYE", 1))
    assert transfer.state == "Error"
    assert "the call has ended" in str(transfer.last_error)
    wire.sent()
    wire.receive(wire.answer(hold, 481))
    wire.over()


# ---------------------------------------------------------------- mistakes


def test_what_cannot_be_transferred(wire, alice, up):
    call, _ = up
    other, invite = wire.invite(alice)
    with pytest.raises(UnexpectedInput):
        other.transfer("sip:carol@chicago.com")
    with pytest.raises(UsageError, match="not transferred to itself"):
        call.transfer(call)
    with pytest.raises(UsageError, match="patience"):
        call.transfer("sip:carol@chicago.com", patience=0)
    with pytest.raises(ValueError, match="sip: or sips: URI"):
        call.transfer("tel:+12345")
    other.terminate()
    wire.receive(wire.answer(invite, 487))
    with pytest.raises(UsageError, match="not up"):
        call.transfer(other)
    assert not alice.services
    assert call.followers == ()


# ---------------------------------------------------------------- outside of calls


def outside(wire, alice, to="sip:carol@chicago.com", **options):
    transfer = Transfer(alice).begin(to, sent_to=("sip:bob@10.0.0.9", None, ()), **options)
    return transfer, wire.one()


def notify_outside(wire, refer, number, status, state="active;expires=60", tag="b1"):
    headers = ["Event: refer", f"Subscription-State: {state}"]
    body = f"SIP/2.0 {status} X\r\n".encode()
    wire.receive(
        wire.request(
            "NOTIFY",
            refer.contact.uri_text,
            to=str(refer["From"]),
            from_=f"<sip:bob@10.0.0.9>;tag={tag}",
            call_id=refer.call_id,
            number=number,
            branch=f"z9hG4bKN{number}{tag}",
            headers=headers,
            body=body,
            kind="message/sipfrag",
        )
    )
    return wire.sent()


@pytest.mark.parametrize("early", [False, True])
def test_outside_of_a_call(wire, alice, early):
    transfer, refer = outside(wire, alice)
    assert (refer.method, refer.uri_text, refer.to.tag) == ("REFER", "sip:bob@10.0.0.9", None)
    assert str(refer["Refer-To"]) == "<sip:carol@chicago.com>"
    assert refer.contact is not None
    if not early:
        wire.receive(wire.answer(refer, 202))
    assert starts(notify_outside(wire, refer, 1, 100)) == [200]
    assert transfer.status == 100
    # RFC 6665 §4.1.4: what a fork says is not taken.
    assert starts(notify_outside(wire, refer, 1, 200, tag="b2")) == [481]
    assert starts(notify_outside(wire, refer, 2, 200, LAST)) == [200]
    assert transfer.state == "Terminated"
    if early:
        wire.receive(wire.answer(refer, 202))
    wire.over()


def test_outside_of_a_call_it_may_replace_one(wire, alice, up):
    call, _ = up
    transfer, refer = outside(wire, alice, call)
    assert "Replaces=" in str(refer["Refer-To"])
    wire.receive(wire.answer(refer, 202))
    assert starts(notify_outside(wire, refer, 1, 200, LAST)) == [200]
    assert transfer.state == "Succeeded"
    wire.pass_until(wire.now + 5)
    assert wire.starts() == ["BYE"]
    assert transfer.state == "Terminated"


def test_outside_of_a_call_it_may_be_challenged(wire):
    """What follows in the dialog counts on from the REFER that was accepted."""
    accounts = {"biloxi.com": ("alice", "wonderland")}
    digest = DigestClient(accounts, tokens=lambda: "cnonce")
    alice = wire.agent("sip:alice@atlanta.com", digest=digest)
    transfer, refer = outside(wire, alice)
    challenge = 'Digest realm="biloxi.com", nonce="1", algorithm=SHA-256, qop="auth"'
    wire.receive(wire.answer(refer, 401, headers=[("WWW-Authenticate", challenge)]))
    again = wire.one()
    assert again.cseq.number == refer.cseq.number + 1
    assert "Authorization" in again
    wire.receive(wire.answer(again, 202))
    ok, subscribe = notify_outside(wire, again, 1, 200)
    assert ok.status == 200
    assert subscribe.method == "SUBSCRIBE"
    assert subscribe.cseq.number == again.cseq.number + 1
    assert transfer.state == "Terminated"


@pytest.mark.parametrize("status", [403, 405, 481, 603])
def test_outside_of_a_call_it_may_be_refused(wire, alice, status):
    transfer, refer = outside(wire, alice)
    wire.receive(wire.answer(refer, status))
    assert transfer.last_error.status == status
    wire.over()


def test_outside_of_a_call_nobody_may_be_there(wire, alice):
    transfer, _ = outside(wire, alice)
    wire.pass_until(wire.now + 33)
    assert isinstance(transfer.last_error, CallTimedOut)
    wire.over()


def test_outside_of_a_call_without_reports(wire, alice):
    transfer, refer = outside(wire, alice, reports=False)
    wire.receive(wire.answer(refer, 200, headers=[("Refer-Sub", "false")]))
    assert transfer.state == "Terminated"
    wire.over()


def test_who_has_hung_up_before_the_response_has_less_time_to_report(wire, up):
    call, invite = up
    transfer = call.transfer("sip:carol@chicago.com")
    request = wire.one()
    wire.receive(within(wire, invite, "BYE", 2))
    wire.receive(wire.answer(request, 202, contact=None))
    report(wire, invite, 3, 100)
    wire.pass_until(wire.now + 33)
    assert transfer.state == "Error"
    assert isinstance(transfer.last_error, CallTimedOut)


def test_a_hold_that_failed_is_not_ended(wire, up):
    call, _ = up
    transfer = call.transfer("sip:carol@chicago.com", hold=True)
    wire.receive(wire.answer(wire.one(), 488))
    request = wire.sent()[-1]
    wire.receive(wire.answer(request, 603))
    assert transfer.state == "Error"
    assert wire.sent() == []


@pytest.mark.parametrize(("privacy", "count"), [((), 1), (("none",), 1), (("user",), 0)])
def test_who_asks_for_privacy_is_not_named_as_the_referrer(wire, alice, up, privacy, count):
    """RFC 3323 §4.1: what can be left out that names its sender."""
    call, _ = up
    alice.privacy = privacy
    call.transfer("sip:carol@chicago.com")
    assert len(wire.one().lines("Referred-By")) == count

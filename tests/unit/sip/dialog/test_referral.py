"""A REFER to us: what decides on it, the call that is placed, and what is reported (RFC 3515)."""

import pytest

from sipparty.errors import BuildError, UnexpectedInput, UsageError
from sipparty.sip import SimpleCall
from sipparty.sip.dialog.referral import MAX_OF_ONE, Referral, TransferRequested
from sipparty.sip.dialog.replaces import Replaces


@pytest.fixture
def bob(wire):
    return wire.agent("sip:bob@biloxi.com")


def decides(call):
    call.on(TransferRequested, lambda event: None)
    return call


@pytest.fixture
def up(wire, bob):
    """A call to us that is up, whose REFERs somebody decides on; returns it and its 200."""
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.happened.clear()
    return decides(call), answer


CAROL = "Refer-To: <sip:carol@10.0.0.8>"


def refer(wire, answer, *headers, number=2, to=CAROL, **changes):
    """Send a REFER in the dialog; return what is answered."""
    headers = [*([to] if to else []), *headers]
    wire.receive(wire.within(answer, "REFER", number, headers=headers, **changes))
    return wire.sent()


def asked(wire):
    """The event of the last REFER."""
    event = wire.happened[-1]
    assert isinstance(event, TransferRequested)
    return event


def accepted(wire, answer, *headers, **changes):
    """A REFER that is accepted: returns the call placed, its INVITE, the 200 and the NOTIFY."""
    assert refer(wire, answer, *headers, **changes) == []
    call = asked(wire).accept()
    messages = wire.sent()
    by = {getattr(one, "method", "") or one.status: one for one in messages}
    return call, by["INVITE"], by[200], by.get("NOTIFY")


def told(wire):
    """What the NOTIFYs say that were sent, each answered: (status line, Subscription-State)."""
    out = []
    for message in wire.sent():
        if getattr(message, "method", "") == "NOTIFY":
            assert str(message.content_type) == "message/sipfrag"
            out.append((message.body.decode().strip(), str(message["Subscription-State"])))
            wire.receive(wire.answer(message, 200, contact=None))
    return out


def note(notify):
    return notify.body, str(notify["Event"]), str(notify["Subscription-State"])


OVER = "terminated;reason=noresource"


# ---------------------------------------------------------------- who decides


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_without_a_handler_no_call_is_placed(wire, bob, where):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.happened.clear()
    if where == "inside":
        (refusal,) = refer(wire, answer)
    else:
        wire.receive(wire.request("REFER", headers=[CAROL], call_id="c2"))
        refusal = wire.one()
    assert refusal.status == 603
    assert wire.happened == []
    assert call.state == "InDialog"
    wire.pass_until(wire.now + 100)
    assert not bob.services


def test_a_handler_of_everything_decides_on_nothing(wire, up):
    call, answer = up
    call._handlers = None
    from sipparty.sip.events import Event

    call.on(Event, lambda event: None)
    assert [one.status for one in refer(wire, answer)] == [603]


@pytest.mark.parametrize(
    ("to", "status"),
    [
        (None, 400),
        ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>", 400),
        ("Refer-To: <sip:a@b;method=BYE>", 603),
        ("Refer-To: http://www.ietf.org", 603),
        ("Refer-To: tel:+123", 603),
        ("Refer-To: <sip:a@b>\r\nReferred-By: <sip:x@y>\r\nReferred-By: <sip:x@y>", 400),
    ],
)
def test_what_is_not_to_be_contacted(wire, up, to, status):
    _, answer = up
    assert [one.status for one in refer(wire, answer, to=to)] == [status]
    assert wire.happened == []


def test_explicit_subscriptions_are_not_known(wire, up):
    """RFC 7614 §4.2."""
    _, answer = up
    (refusal,) = refer(wire, answer, "Require: explicitsub")
    assert (refusal.status, refusal.unsupported) == (420, ("explicitsub",))


def test_what_is_asked_for(wire, up):
    call, answer = up
    to = "Refer-To: <sip:carol@10.0.0.8?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>"
    refer(wire, answer, "Referred-By: <sip:alice@a.com>", to=to)
    event = asked(wire)
    assert event.call is call
    assert event.target == "sip:carol@10.0.0.8"
    assert event.referred_by == "<sip:alice@a.com>"
    assert event.replaces == Replaces("x", "1", "2")
    assert event.request.method == "REFER"
    assert event.topic == id(call)


def test_it_is_declined(wire, up):
    call, answer = up
    refer(wire, answer)
    asked(wire).reject()
    assert wire.starts() == [603]
    refer(wire, answer, number=3)
    asked(wire).reject(486, "Not Now")
    refusal = wire.one()
    assert (refusal.status, refusal.reason) == (486, "Not Now")
    with pytest.raises(UnexpectedInput):
        asked(wire).accept()
    for status in (200, 299, 700):
        with pytest.raises(UsageError, match="does not decline"):
            asked(wire).reject(status)
    for number, status in enumerate((300, 699)):
        refer(wire, answer, number=4 + number)
        asked(wire).reject(status)
        assert wire.starts() == [status]
    assert call.state == "InDialog"
    assert not call.agent.services


# ---------------------------------------------------------------- the call that is placed


def test_the_call_is_placed_and_reported(wire, up):
    old, answer = up
    call, invite, ok, notify = accepted(wire, answer, "Referred-By: <sip:alice@a.com>;cid=x")
    assert (ok.status, ok.cseq.method) == (200, "REFER")  # RFC 7647 §5
    assert ok.contact is not None
    assert note(notify) == (b"SIP/2.0 100 Trying\r\n", "refer", "active;expires=240")
    assert invite.uri_text == "sip:carol@10.0.0.8"
    assert str(invite["Referred-By"]) == "<sip:alice@a.com>;cid=x"
    assert "Replaces" not in invite
    assert type(call) is SimpleCall
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.receive(wire.answer(invite, 100, tag=None))
    assert told(wire) == []
    wire.receive(wire.answer(invite, 180, tag="c1"))
    wire.pass_until(wire.now + 1)
    ((line, substate),) = told(wire)
    assert line == "SIP/2.0 180 Ringing"
    assert substate.startswith("active;expires=23")
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert told(wire) == [("SIP/2.0 200 OK", OVER)]
    assert (call.state, old.state) == ("InDialog", "InDialog")
    assert call.followers == ()
    assert not old.agent.services
    wire.receive(wire.within(answer, "BYE", 9))
    call.terminate()
    wire.receive(wire.answer(wire.sent()[-1], 200))
    wire.over()


def test_reports_are_a_second_apart_but_for_the_last(wire, up):
    """RFC 3515 §3.10."""
    _, answer = up
    _, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    for status in (180, 181, 183):
        wire.receive(wire.answer(invite, status, tag="c1"))
    assert told(wire) == []
    wire.pass_until(wire.now + 1)
    assert [line for line, _ in told(wire)] == ["SIP/2.0 183 Session Progress"]
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert [line for line, _ in told(wire)] == ["SIP/2.0 200 OK"]


@pytest.mark.parametrize(("status", "line"), [(486, "486 Busy Here"), (603, "603 Decline")])
def test_a_call_that_fails_is_reported(wire, up, status, line):
    old, answer = up
    call, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.receive(wire.answer(invite, status))
    assert told(wire) == [(f"SIP/2.0 {line}", OVER)]
    assert (call.state, old.state) == ("Error", "InDialog")


def test_a_call_that_we_give_up_is_reported(wire, up):
    """RFC 5589 §6.3.2."""
    _, answer = up
    call, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.receive(wire.answer(invite, 180, tag="c1"))
    wire.pass_until(wire.now + 2)
    told(wire)
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.receive(wire.answer(invite, 487, tag="c1"))
    assert told(wire) == [("SIP/2.0 487 Request Terminated", OVER)]


def test_nobody_answers(wire, up):
    _, answer = up
    _, _, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.pass_until(wire.now + 33)
    assert told(wire)[0] == ("SIP/2.0 408 Request Timeout", OVER)


def test_the_outcome_is_reported_after_a_report_that_is_not_answered_yet(wire, up):
    _, answer = up
    _, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert told(wire) == [("SIP/2.0 200 OK", OVER)]
    wire.receive(wire.answer(notify, 200, contact=None))


def test_a_call_takes_the_place_of_another(wire, up):
    _, answer = up
    value = "x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2"
    to = f"Refer-To: <sip:carol@10.0.0.8?Replaces={value}&Subject=hi&Route=%3Csip%3Aevil%3E>"
    _, invite, _, _ = accepted(wire, answer, to=to)
    assert str(invite["Replaces"]) == "x@y;to-tag=1;from-tag=2"
    assert invite.require == ("replaces",)
    assert invite["Subject"] == "hi"
    assert "Route" not in invite


def test_what_proves_the_referrer_is_passed_on(wire, up):
    """RFC 3892 §2.2: the part goes into the INVITE as it came."""
    _, answer = up
    body = b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Type: message/sipfrag\r\n"
    body += b"Content-ID: <2UWQFN@ref.example>\r\n\r\nDate: now\r\n--x--\r\n"
    kind = "multipart/mixed;boundary=x"
    by = 'Referred-By: <sip:alice@a.com>;cid="2UWQFN@ref.example"'
    _, invite, _, _ = accepted(wire, answer, by, body=body, kind=kind)
    part = invite.find_part(content_id="2UWQFN@ref.example")
    assert (part.media_type, part.body) == ("message/sipfrag", b"Date: now")
    assert len(invite.parts) == 1
    assert invite["Referred-By"].parameter("cid") == "2UWQFN@ref.example"
    other = 'Referred-By: <sip:alice@a.com>;cid="other@ref.example"'
    _, invite, _, _ = accepted(wire, answer, other, body=body, kind=kind, number=3)
    assert not invite.body


def test_headers_of_our_own(wire, up):
    _, answer = up
    refer(wire, answer)
    event = asked(wire)
    with pytest.raises(BuildError):
        event.accept(headers={"Via": "x"})
    assert wire.sent() == []  # it is not decided on
    event.accept(headers={"X-Why": "transfer"})
    invites = [one for one in wire.sent() if getattr(one, "method", "") == "INVITE"]
    assert invites[0]["X-Why"] == "transfer"


def test_a_call_that_cannot_be_placed(wire, up):
    _, answer = up
    refer(wire, answer)
    with pytest.raises(TypeError):
        asked(wire).accept(nonsense=1)
    ok, _, last = wire.sent()
    assert ok.status == 200
    assert note(last) == (b"SIP/2.0 500 Server Internal Error\r\n", "refer", OVER)


def test_the_call_that_it_came_in_may_end(wire, up):
    """The subscription keeps the dialog (RFC 5057 §4.1)."""
    old, answer = up
    _, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.receive(wire.within(answer, "BYE", 3))
    wire.sent()
    assert old.state == "Terminated"
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert told(wire) == [("SIP/2.0 200 OK", OVER)]


def test_who_wants_no_more_reports_unsubscribes(wire, up):
    """RFC 3515 §2.4.4: the call goes on."""
    _, answer = up
    call, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    headers = ["Event: refer", "Expires: 0"]
    wire.receive(wire.within(answer, "SUBSCRIBE", 3, headers=headers))
    ok, last = wire.sent()
    assert (ok.status, str(last["Subscription-State"])) == (200, "terminated;reason=timeout")
    wire.receive(wire.answer(last, 200, contact=None))
    wire.receive(wire.answer(invite, 180, tag="c1"))
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"


def test_who_refuses_a_report_gets_no_more(wire, up):
    _, answer = up
    call, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 481, contact=None))
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"


def test_nobody_subscribes_to_refer(wire, up):
    """RFC 3515 §2.4.4: REFER alone makes such a subscription."""
    _, answer = up
    wire.receive(wire.within(answer, "SUBSCRIBE", 3, headers=["Event: refer"]))
    assert wire.one().status in (403, 405, 481, 489)


@pytest.mark.parametrize("header", ["Refer-Sub: false", "Require: nosub"])
def test_without_reports(wire, up, header):
    """RFC 4488, RFC 7614 §5."""
    _, answer = up
    call, invite, ok, notify = accepted(wire, answer, header)
    assert notify is None
    assert ok["Refer-Sub"] == "false"
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert wire.starts() == ["ACK"]
    assert call.state == "InDialog"


def test_several_in_one_dialog_are_told_apart(wire, up):
    """RFC 3515 §2.4.6."""
    _, answer = up
    *_, first = accepted(wire, answer, number=2)
    *_, second = accepted(wire, answer, number=3)
    assert str(first["Event"]) == "refer"
    assert str(second["Event"]) == "refer;id=3"


def test_a_target_refresh(wire, up):
    call, answer = up
    refer(wire, answer, contact="<sip:alice@10.0.0.9:5070>")
    assert call.remote_target == "sip:alice@10.0.0.9:5070"


# ---------------------------------------------------------------- deciding late


def test_who_takes_time_to_decide(wire, up):
    _, answer = up
    refer(wire, answer)
    wire.pass_until(wire.now + 2)
    ok, notify = wire.sent()
    assert (ok.status, notify.method) == (200, "NOTIFY")
    assert note(notify) == (b"SIP/2.0 100 Trying\r\n", "refer", "active;expires=240")
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.pass_until(wire.now + 60)
    asked(wire).accept()
    invite = wire.one()
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert told(wire) == [("SIP/2.0 200 OK", OVER)]


def test_who_declines_late(wire, up):
    """RFC 3515 §2.4.5."""
    _, answer = up
    refer(wire, answer)
    wire.pass_until(wire.now + 2)
    told(wire)
    asked(wire).reject()
    assert told(wire) == [("SIP/2.0 603 Decline", "terminated;reason=rejected")]


def test_who_never_decides(wire, up):
    call, answer = up
    refer(wire, answer)
    wire.pass_until(wire.now + 3)
    told(wire)
    wire.pass_until(wire.now + 180)
    assert set(told(wire)) == {("SIP/2.0 603 Decline", "terminated;reason=rejected")}
    assert not call.agent.services
    with pytest.raises(UnexpectedInput):
        asked(wire).accept()


def test_so_many_at_a_time(wire, up):
    _, answer = up
    for number in range(MAX_OF_ONE):
        assert refer(wire, answer, number=2 + number) == []
    assert [one.status for one in refer(wire, answer, number=20)] == [486]
    for event in wire.happened:
        event.reject()
    wire.sent()
    assert refer(wire, answer, number=21) == []


def test_closing_declines_what_is_not_decided(wire, up):
    call, answer = up
    refer(wire, answer)
    (referral,) = (one for one in call.agent.services if isinstance(one, Referral))
    referral.hit("terminate")
    assert wire.starts() == [603]
    assert not call.agent.services


def test_closing_ends_the_reports(wire, up):
    call, answer = up
    _, invite, _, notify = accepted(wire, answer)
    wire.receive(wire.answer(notify, 200, contact=None))
    (referral,) = (one for one in call.agent.services if isinstance(one, Referral))
    referral.hit("terminate")
    assert told(wire) == [("SIP/2.0 487 Request Terminated", OVER)]
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert wire.starts() == ["ACK"]


# ---------------------------------------------------------------- outside of calls


def outside(wire, *headers, **changes):
    changes.setdefault("call_id", "c2")
    wire.receive(wire.request("REFER", headers=[CAROL, *headers], **changes))
    return wire.sent()


@pytest.fixture
def asks(wire, bob):
    """Bob, for whom somebody decides."""
    from sipparty.sip.handlers import EventSource

    class Owner(EventSource):
        def invite(self, uri, **options):
            return SimpleCall(bob).invite(uri, **options)

    bob.owner = Owner()
    bob.owner.on(TransferRequested, lambda event: None)
    return bob


def test_outside_of_a_call(wire, asks):
    assert outside(wire) == []
    event = asked(wire)
    assert event.call is None
    assert event.referral.authenticated is None
    call = event.accept()
    ok, notify, invite = wire.sent()
    assert (ok.status, notify.method, invite.method) == (200, "NOTIFY", "INVITE")
    assert notify.to.tag == "a1"
    assert ok.to.tag == notify["From"].tag
    assert str(notify["Event"]) == "refer"
    wire.receive(wire.answer(notify, 200, contact=None))
    wire.receive(wire.answer(invite, 200, tag="c1"))
    assert told(wire) == [("SIP/2.0 200 OK", OVER)]
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_outside_of_a_call_an_unproven_source_is_notified_of_nothing_unasked(wire, asks):
    assert outside(wire) == []
    wire.pass_until(wire.now + 3)
    assert wire.starts() == [603]
    wire.over()


def test_outside_of_a_call_without_reports_no_dialog_is_left(wire, asks):
    outside(wire, "Refer-Sub: false")
    asked(wire).accept()
    ok, invite = wire.sent()
    assert ok["Refer-Sub"] == "false"
    wire.receive(wire.answer(invite, 486))
    wire.sent()
    wire.over()


def test_it_may_name_a_call(wire, asks):
    """RFC 4538."""
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    tags = f"local-tag={answer.to.tag};remote-tag=a1"
    outside(wire, f"Target-Dialog: {call.call_id};{tags}", "Require: tdialog")
    assert asked(wire).call is call
    outside(wire, f"Target-Dialog: other;{tags}", call_id="c3", branch="z9hG4bKd")
    assert asked(wire).call is None


def test_a_call_that_fails_at_once_is_reported(wire, up, bob, monkeypatch):
    _, answer = up
    refer(wire, answer)

    find = bob.core.locate

    def locate(hop, endpoint, agent, user, **options):
        if hop.host == "10.0.0.8":
            user.flow_failed("There is no such host.")
        else:
            find(hop, endpoint, agent, user, **options)

    event = asked(wire)
    monkeypatch.setattr(bob.core, "locate", locate)
    assert event.accept().state == "Error"
    assert event.referral.state == "Terminated"
    last = [one for one in wire.sent() if getattr(one, "method", "") == "NOTIFY"][-1]
    assert note(last) == (b"SIP/2.0 503 Service Unavailable\r\n", "refer", OVER)

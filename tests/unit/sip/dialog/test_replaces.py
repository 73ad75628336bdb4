"""An INVITE whose call takes the place of another (RFC 3891)."""

import pytest

from sipparty.errors import ParseError, UsageError
from sipparty.sip import Core, NextHop, Policy, SimpleCall, UserAgent
from sipparty.sip.dialog.replaces import CallReplaced, Replaces
from sipparty.sip.events import CallEnded, CallEstablished, CallReceived
from sipparty.testing import SequentialTokens

LOSS = [{}, {"loss": 0.1}, {"loss": 0.1, "duplication": 0.1}]


@pytest.fixture
def bob(wire):
    return wire.agent("sip:bob@biloxi.com", media=True)


def taken(wire, **changes):
    """A call of alice's to us that is up; returns it and its 200."""
    call = wire.invited(body=b"offer", **changes)
    wire.sent()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer, branch="z9hG4bKack")
    wire.happened.clear()
    return call, answer


def replacing(wire, value, method="INVITE", to="<sip:bob@biloxi.com>", **changes):
    """What carol sends, with a Replaces header."""
    headers = [f"Replaces: {value}", *changes.pop("headers", ())]
    changes.setdefault("body", b"other")
    changes.setdefault("from_", "<sip:carol@chicago.com>;tag=c9")
    changes.setdefault("branch", f"z9hG4bK{abs(hash((value, *headers)))}")
    return wire.request(method, to=to, call_id="c2", headers=headers, **changes)


def of(call, answer, *flags):
    """The value that names a call of alice's to us."""
    return ";".join([call.call_id, f"to-tag={answer.to.tag}", "from-tag=a1", *flags])


def by(wire):
    """The calls that took a place, and those that lost it."""
    return [(event.call, event.by) for event in wire.happened if isinstance(event, CallReplaced)]


# ---------------------------------------------------------------- the header


def test_a_value_is_read_and_written():
    value = Replaces.parse("98732@sip.example.com ;from-tag=r33 ;to-tag=ff;early-only;x=y")
    assert value == ("98732@sip.example.com", "ff", "r33", True)
    assert str(value) == "98732@sip.example.com;to-tag=ff;from-tag=r33;early-only"
    assert Replaces.parse("a;to-tag=1;from-tag=2") == ("a", "1", "2", False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a;to-tag=1",
        "a;from-tag=1",
        "a;to-tag=1;to-tag=2;from-tag=3",
        "a;to-tag=1;from-tag=2;from-tag=2",
        "a;to-tag;from-tag=1",
        "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
    ],
)
def test_exactly_one_tag_of_each_side(text):
    with pytest.raises(ParseError):
        Replaces.parse(text)


# ---------------------------------------------------------------- a call that is up


def test_a_call_that_is_up_is_replaced_and_hung_up(wire, bob):
    old, answer = taken(wire)
    old.media = {"record": "x"}
    wire.receive(replacing(wire, of(old, answer), headers=["Require: replaces"]))
    ok = wire.one()
    assert ok.status == 200
    assert ok.body == b"answer to other"
    assert wire.happened == []
    assert old.state == "InDialog"  # until somebody is there
    wire.acknowledge(ok, branch="z9hG4bKa2")
    ((lost, new),) = by(wire)
    bye = wire.one()
    assert (bye.method, bye.to.tag) == ("BYE", "a1")
    assert lost is old
    assert new.replaces is old
    assert new.media == {"record": "x"}
    assert wire.kinds() == [CallReplaced, CallEstablished]
    wire.receive(wire.answer(bye, 200))
    assert (old.state, new.state) == ("Terminated", "InDialog")
    wire.receive(wire.within(ok, "BYE"))
    assert wire.kinds()[2:] == [CallEnded, CallEnded]
    wire.over()


def test_it_may_be_the_last_call_that_there_may_be(wire, bob):
    bob.max_calls = 1
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer)))
    assert wire.starts() == [200]


def test_a_call_of_ours_is_replaced_too(wire, bob):
    old, invite = wire.invite(bob)
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    wire.sent()
    value = f"{old.call_id};to-tag={invite['From'].tag};from-tag=b1"
    wire.receive(replacing(wire, value))
    wire.acknowledge(wire.one(), branch="z9hG4bKa2")
    assert wire.starts() == ["BYE"]
    assert by(wire)[0][0] is old


def test_without_an_ack_the_old_call_stays(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer)))
    wire.pass_until(wire.now + 40)
    assert old.state == "InDialog"
    assert wire.happened == []
    assert wire.starts()[-1] == "BYE"  # of the new one
    old.terminate()
    wire.over()


def test_what_cannot_be_agreed_on_leaves_the_old_call(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer), body=b"bad"))
    assert wire.starts() == [488]
    assert old.state == "InDialog"
    assert wire.happened == []


def test_an_offer_of_ours_that_is_not_answered_leaves_the_old_call(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer), body=b""))
    wire.acknowledge(wire.one(), branch="z9hG4bKa2")
    assert wire.starts() == ["BYE"]
    assert old.state == "InDialog"
    assert wire.happened == []


def test_the_caller_may_give_up_in_between(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer)))
    ok = wire.one()
    wire.receive(wire.within(ok, "BYE"))
    assert old.state == "InDialog"


def test_one_at_a_time(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer)))
    wire.sent()
    wire.receive(
        replacing(wire, of(old, answer), number=2, from_="<sip:x@y>;tag=2", branch="z9hG4bKz")
    )
    assert wire.starts() == [491]


def test_the_old_call_may_end_in_between(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer)))
    ok = wire.one()
    wire.receive(wire.within(answer, "BYE"))
    assert old.state == "Terminated"
    wire.sent()
    wire.acknowledge(ok, branch="z9hG4bKa2")
    assert wire.sent() == []
    assert by(wire)[0][0] is old


# ---------------------------------------------------------------- a call that is not answered yet


def test_an_early_call_of_ours_is_cancelled(wire, bob):
    old, invite = wire.invite(bob)
    wire.receive(wire.answer(invite, 180, tag="desk"))
    value = f"{old.call_id};to-tag={invite['From'].tag};from-tag=desk;early-only"
    wire.receive(replacing(wire, value))
    ok = wire.one()
    wire.acknowledge(ok, branch="z9hG4bKa2")
    cancel = wire.one()
    assert cancel.method == "CANCEL"
    wire.receive(wire.answer(cancel, 200, tag="desk"))
    wire.receive(wire.answer(invite, 487, tag="desk"))
    assert wire.starts() == ["ACK"]
    assert old.state == "Terminated"
    ((lost, new),) = by(wire)
    assert (lost, new.state) == (old, "InDialog")
    wire.receive(wire.within(ok, "BYE"))
    wire.over()


def test_an_early_call_of_ours_that_is_answered_in_between_is_hung_up(wire, bob):
    old, invite = wire.invite(bob)
    wire.receive(wire.answer(invite, 180, tag="desk"))
    wire.receive(replacing(wire, f"{old.call_id};to-tag={invite['From'].tag};from-tag=desk"))
    ok = wire.one()
    wire.receive(wire.answer(invite, 200, tag="desk", body=b"yes"))
    wire.sent()
    wire.acknowledge(ok, branch="z9hG4bKa2")
    assert wire.starts() == ["BYE"]


def test_an_early_call_to_us_is_not_replaced(wire, bob):
    old = wire.invited()
    old.ring()
    ringing = wire.one()
    wire.receive(replacing(wire, of(old, ringing)))
    assert wire.starts() == [481]
    assert old.state == "InitiatingDialog"


# ---------------------------------------------------------------- what is refused


def test_early_only_is_too_late_for_a_call_that_is_up(wire, bob):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer, "early-only")))
    assert wire.starts() == [486]
    assert old.state == "InDialog"


@pytest.mark.parametrize("change", ["call-id", "to", "from"])
def test_what_matches_no_dialog_is_refused(wire, bob, change):
    old, answer = taken(wire)
    value = of(old, answer)
    value = {
        "call-id": f"x{value}",
        "to": value.replace("to-tag=", "to-tag=x"),
        "from": value.replace("a1", "A1"),
    }[change]
    wire.receive(replacing(wire, value))
    assert wire.starts() == [481]


def test_what_has_just_ended_is_declined(wire, bob):
    old, answer = taken(wire)
    wire.receive(wire.within(answer, "BYE"))
    wire.sent()
    wire.receive(replacing(wire, of(old, answer)))
    assert wire.starts() == [603]


def test_what_is_being_hung_up_is_declined(wire, bob):
    old, answer = taken(wire)
    old.terminate()
    wire.sent()
    wire.receive(replacing(wire, of(old, answer)))
    assert wire.starts() == [603]


def test_another_agents_call_is_nobodys(wire, bob):
    wire.agent("sip:dave@biloxi.com")
    old, answer = taken(wire)
    wire.receive(
        replacing(wire, of(old, answer), uri="sip:dave@biloxi.com", to="<sip:dave@biloxi.com>")
    )
    assert wire.starts() == [481]


@pytest.mark.parametrize(
    "more", ["Replaces: c1;to-tag=1;from-tag=2", "Join: c1;to-tag=1;from-tag=2"]
)
def test_what_contradicts_itself_is_no_request(wire, bob, more):
    old, answer = taken(wire)
    wire.receive(replacing(wire, of(old, answer), headers=[more]))
    assert wire.starts() == [400]
    assert old.state == "InDialog"


def test_it_stands_in_no_other_request(wire, bob):
    _, answer = taken(wire)
    wire.receive(replacing(wire, "c1;to-tag=1;from-tag=2", "OPTIONS"))
    assert wire.starts() == [400]
    headers = ["Replaces: c1;to-tag=1;from-tag=2"]
    wire.receive(wire.within(answer, "INVITE", 3, headers=headers))
    assert wire.starts() == [400]


def test_an_old_peers_missing_tag_is_written_as_zero(wire, bob):
    old, answer = taken(wire, from_="<sip:alice@atlanta.com>")
    wire.receive(replacing(wire, f"{old.call_id};to-tag={answer.to.tag};from-tag=0"))
    assert wire.starts() == [200]


# ---------------------------------------------------------------- who may


class Accounts:
    """Stands for an authenticator that knows who it is by a header."""

    def admit(self, transaction, serve):
        transaction.authenticated = transaction.request["Subject"]
        serve(transaction)


REFERRED = "Referred-By: <sip:alice@atlanta.com;x=y>"


@pytest.mark.parametrize(
    ("rule", "user", "headers", "status"),
    [
        ("referred", None, [], 200),
        ("any", None, [], 200),
        ("never", None, [], 403),
        ("same", None, [], 403),
        ("same", None, [REFERRED], 403),
        ("referred", "carol", [], 403),
        ("referred", "carol", ["Referred-By: <sip:dave@atlanta.com>"], 403),
        ("referred", "carol", ["Referred-By: nobody"], 403),
        ("referred", "carol", [REFERRED], 200),
        ("referred", "alice", [], 200),
        ("same", "carol", [REFERRED], 403),
        ("same", "alice", [], 200),
        ("any", "carol", [], 200),
        ("never", "alice", [REFERRED], 403),
    ],
)
def test_who_may_replace_a_call(wire, bob, rule, user, headers, status):
    wire.core.policy = Policy(replaces=rule)
    old, answer = taken(wire)
    old.authenticated = None if user is None else "alice"
    if user is not None:
        bob._admission = Accounts()
        headers = [*headers, f"Subject: {user}"]
    wire.receive(replacing(wire, of(old, answer), headers=headers))
    assert wire.starts() == [status]
    assert old.state == "InDialog"


def test_a_call_of_ours_is_that_of_who_was_called(wire, bob):
    wire.core.policy = Policy(replaces="same")
    old, invite = wire.invite(bob, "sip:dave@10.0.0.9")
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    wire.sent()
    bob._admission = Accounts()
    value = f"{old.call_id};to-tag={invite['From'].tag};from-tag=b1"
    wire.receive(replacing(wire, value, headers=["Subject: erin"]))
    wire.receive(replacing(wire, value, headers=["Subject: dave"], number=2))
    assert wire.starts() == [403, 200]


def test_a_rule_is_one_of_those():
    with pytest.raises(UsageError, match="'everybody' is not one of 'never', 'same'"):
        Policy(replaces="everybody")


# ---------------------------------------------------------------- asking for it


def test_a_call_of_ours_is_named_as_the_other_side_has_it(wire, bob):
    old, answer = taken(wire)
    _, invite = wire.invite(bob, replaces=old)
    value = invite["Replaces"]
    assert value.value == old.call_id
    assert value.parameters == {"to-tag": "a1", "from-tag": answer.to.tag}
    assert invite.require == ("replaces",)
    assert "replaces" in invite.supported


def test_a_call_that_rings_here_is_replaced_only_while_it_does(wire, bob):
    old = wire.invited()
    wire.sent()
    _, invite = wire.invite(bob, replaces=old)
    assert invite["Replaces"].parameter("early-only") == ""


def test_a_call_can_be_named_by_text(wire, bob):
    _, invite = wire.invite(bob, replaces="x;to-tag=1;from-tag=2;early-only")
    assert str(invite["Replaces"]) == "x;to-tag=1;from-tag=2;early-only"
    with pytest.raises(ParseError):
        wire.invite(bob, replaces="x")
    with pytest.raises(UsageError, match="text of a Replaces header, not 7"):
        wire.invite(bob, replaces=7)


def test_what_cannot_be_replaced_is_not_asked_for(wire, bob):
    old, invite = wire.invite(bob)
    wire.receive(wire.answer(invite, 180))
    with pytest.raises(UsageError, match="not answered yet"):
        wire.invite(bob, replaces=old)
    old.terminate()
    wire.receive(wire.answer(invite, 487))
    with pytest.raises(UsageError, match="over"):
        wire.invite(bob, replaces=old)


# ---------------------------------------------------------------- three user agents


def third(pair, name, host):
    """One more user agent on the network, and its events."""
    core, events = Core(SequentialTokens("c")), []
    agent = UserAgent(core, f"sip:{name}")
    agent.auto_answer = False
    core.directory.bind(agent, name)
    pair.network.attach(core, (host, 5060), endpoint=name, on_event=events.append)
    return agent, events


@pytest.mark.parametrize("network", LOSS)
@pytest.mark.parametrize("seed", range(4))
def test_retrieved_from_another_phone(make_pair, network, seed):
    """RFC 3891 §1: bob talks to who has parked him, and alice fetches him from a second phone."""
    pair = make_pair(seed, **network)
    parked, its = pair.established()
    phone2, _ = third(pair, "carol@chicago.com", "10.0.0.3")
    call = SimpleCall(phone2)
    value = (
        f"{its.call_id};to-tag={its.dialog_state.local_tag};from-tag={its.dialog_state.remote_tag}"
    )
    call.invite("sip:bob@10.0.0.2", next_hop=NextHop("10.0.0.2", 5060), replaces=value)
    pair.run(lambda: parked.state == "Terminated" and its.state == "Terminated")
    (new,) = pair.bob.dialogs
    assert call.state == new.state == "InDialog"
    assert [event.by for event in pair.bob_events if isinstance(event, CallReplaced)] == [new]
    assert sum(isinstance(event, CallReceived) for event in pair.bob_events) == 1
    call.terminate()
    pair.quiet()
    assert phone2.core.idle()


@pytest.mark.parametrize("network", LOSS)
@pytest.mark.parametrize("seed", range(4))
def test_an_early_dialog_at_its_originator(make_pair, network, seed):
    """RFC 3891 §7.1: bob's desk phone rings, and he takes alice's call in the lab."""
    pair = make_pair(seed, **network)
    lab, _ = third(pair, "lab@biloxi.com", "10.0.0.3")
    call = pair.call()
    pair.run(lambda: pair.bob.dialogs)
    (desk,) = pair.bob.dialogs
    desk.ring()
    pair.run(lambda: call.dialog_state.remote_tag or call.progress == 180)
    state = desk.dialog_state
    value = f"{desk.call_id};to-tag={state.remote_tag};from-tag={state.local_tag};early-only"
    taken = SimpleCall(lab)
    taken.invite("sip:alice@10.0.0.1", next_hop=NextHop("10.0.0.1", 5060), replaces=value)
    pair.run(lambda: desk.state == "Terminated" and call.state == "Terminated")
    assert taken.state == "InDialog"
    assert desk.ended_by == "remote"
    taken.terminate()
    pair.quiet()
    assert lab.core.idle()

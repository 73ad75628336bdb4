"""INFO inside calls: Info Packages (RFC 6086) and what was before them (RFC 2976)."""

import pytest

from sipparty.errors import BuildError, UnexpectedInput, UsageError
from sipparty.sip.info import DTMF, InfoPackages, InfoReceived, read_dtmf


def takes(agent, *names):
    """Have an agent take INFO, of these packages."""
    InfoReceived.enable(agent)
    agent.info = InfoPackages(names)


@pytest.fixture
def called(wire):
    """An agent that takes INFO, and a call to it, made by an INVITE with some headers."""

    def call(*headers, names=("foo", "bar")):
        agent = wire.agent()
        if names is None:
            InfoReceived.enable(agent)
        else:
            takes(agent, *names)
        call = wire.invited(headers=headers)
        call.accept()
        answer = wire.one()
        wire.acknowledge(answer)
        return call, answer

    return call


def info(wire, answer, number=2, headers=(), body=b"", kind="text/plain"):
    """Send an INFO; the status that it is refused with, or the event that it makes."""
    before = len(wire.happened)
    wire.receive(
        wire.within(answer, "INFO", number, headers=headers, body=body, kind=kind, contact=None)
    )
    new = wire.happened[before:]
    return new[0] if new else wire.one()


# ---------------------------------------------------------------- which packages


def test_the_sides_say_which_packages_they_take(pair):
    takes(pair.alice, "foo")
    takes(pair.bob, "bar", "baz")
    mine, its = pair.established()
    assert mine.info_packages == ("bar", "baz")
    assert its.info_packages == ("foo",)
    mine.terminate()
    pair.quiet()


@pytest.mark.parametrize(
    ("header", "theirs"),
    [
        ("Recv-Info: a, b;x=1 ,c", ("a", "b", "c")),
        ("Recv-Info:", ()),
        ("Recv-Info: " + ",".join(f"p{n}" for n in range(100)), None),
        (f"Recv-Info: {'p' * 1000}", ("p" * 128,)),
    ],
)
def test_what_an_invite_says(called, header, theirs):
    call, answer = called(header)
    assert answer.lines("Recv-Info") == ["foo, bar"]
    if theirs is None:
        assert len(call.info_packages) == 64
    else:
        assert call.info_packages == theirs


def test_several_headers_count_together(called):
    assert called("Recv-Info: a", "Recv-Info: b")[0].info_packages == ("a", "b")


def test_no_answer_speaks_of_packages_where_the_invite_does_not(called):
    call, answer = called()
    assert "Recv-Info" not in answer
    assert call.info_packages is None
    assert "INFO" in answer.allow


@pytest.mark.parametrize("names", [(), ("foo", "bar")])
def test_our_invite_says_them(wire, names):
    agent = wire.agent()
    takes(agent, *names)
    call, invite = wire.invite(agent)
    assert invite.lines("Recv-Info") == [", ".join(names)]
    wire.receive(wire.answer(invite, 200, headers=[("Recv-Info", "x")]))
    assert wire.starts() == ["ACK"]
    assert call.info_packages == ("x",)


def test_an_invite_of_who_knows_no_packages_says_nothing(wire):
    _, invite = wire.invite(wire.agent())
    assert "Recv-Info" not in invite


def test_early_responses_say_them(wire):
    agent = wire.agent()
    takes(agent)
    call, invite = wire.invite(agent)
    wire.receive(wire.answer(invite, 183, headers=[("Recv-Info", "early")]))
    assert call.info_packages == ("early",)
    call.info("early")
    assert wire.one()["Info-Package"].value == "early"


def test_a_change_of_a_call_renews_them(wire):
    agent = wire.agent(media=True)
    takes(agent, "foo")
    call, invite = wire.invite(agent)
    wire.receive(wire.answer(invite, 200, headers=[("Recv-Info", "x")], body=b"yes"))
    wire.sent()
    call.hold()
    again = wire.one()
    assert again.lines("Recv-Info") == ["foo"]
    wire.receive(wire.answer(again, 200, headers=[("Recv-Info", "y")], body=b"yes"))
    assert call.info_packages == ("y",)


def test_a_change_that_is_refused_leaves_them(wire):
    agent = wire.agent(media=True)
    takes(agent, "foo")
    call, invite = wire.invite(agent)
    wire.receive(wire.answer(invite, 200, headers=[("Recv-Info", "x")], body=b"yes"))
    wire.sent()
    call.hold()
    wire.receive(wire.answer(wire.one(), 488, headers=[("Recv-Info", "y")]))
    assert call.info_packages == ("x",)  # §5.2.4


@pytest.mark.parametrize("accepted", [True, False])
def test_their_change_of_a_call(wire, accepted):
    agent = wire.agent(media=True)
    takes(agent, "foo")
    call = wire.invited(headers=["Recv-Info: x"], body=b"offer")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    body = b"other" if accepted else b"bad"
    wire.receive(wire.within(answer, "INVITE", headers=["Recv-Info: y"], body=body))
    response = wire.one()
    assert (response.status == 200) is accepted
    assert call.info_packages == (("y",) if accepted else ("x",))
    assert ("Recv-Info" in response) is accepted


def test_updates_say_them_too(wire):
    agent = wire.agent(media=True)
    takes(agent, "foo")
    call = wire.invited(headers=["Recv-Info: x", "Allow: UPDATE"], body=b"offer")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "UPDATE", headers=["Recv-Info: y"], body=b"other"))
    assert wire.one().lines("Recv-Info") == ["foo"]
    assert call.info_packages == ("y",)
    call.hold(method="UPDATE")
    update = wire.one()
    assert (update.method, update.lines("Recv-Info")) == ("UPDATE", ["foo"])
    wire.receive(wire.answer(update, 200, headers=[("Recv-Info", "z")], body=b"yes"))
    assert call.info_packages == ("z",)


# ---------------------------------------------------------------- ours


def test_a_package_is_sent(pair):
    takes(pair.alice)
    takes(pair.bob, "foo")
    mine, its = pair.established()
    exchange = mine.info("foo", "{}", "application/json", {"Subject": "x"})
    pair.run(lambda: type(pair.bob_events[-1]) is InfoReceived)
    event = pair.bob_events[-1]
    assert (event.package, event.body, event.content_type) == ("foo", b"{}", "application/json")
    assert (event.call, event.parameters, event.dtmf) == (its, {}, None)
    assert event.request["Subject"] == "x"
    assert event.request["Content-Disposition"].value == "Info-Package"  # §4.3.1
    assert "Contact" not in event.request
    assert "Recv-Info" not in event.request
    event.incoming.respond(200)
    pair.run(lambda: exchange.state == "Answered")
    assert exchange.response.status == 200
    mine.terminate()
    pair.quiet()


def test_what_the_other_side_does_not_take_is_not_sent(pair):
    takes(pair.alice)
    takes(pair.bob, "foo")
    mine, its = pair.established()
    with pytest.raises(UsageError, match="takes 'bar': it takes foo"):
        mine.info("bar")
    with pytest.raises(UsageError, match="takes 'bar': it takes none"):
        its.info("bar")
    with pytest.raises(BuildError, match="cannot be an Info Package"):
        mine.info("a b")
    with pytest.raises(UsageError, match="type of the body"):
        mine.info("foo", b"x")
    mine.terminate()
    pair.quiet()
    with pytest.raises(UnexpectedInput):
        mine.info("foo")


def test_packages_are_agreed_on_beforehand(pair):
    mine, _ = pair.established()
    with pytest.raises(UsageError, match=r"info_packages=\(\) before the call"):
        mine.info("foo")
    mine.terminate()
    pair.quiet()


def test_no_package_has_a_name_that_is_none():
    with pytest.raises(BuildError, match="'a b' cannot be an Info Package"):
        InfoPackages(["a b"])


def test_the_old_kind_needs_no_agreement(pair):
    InfoReceived.enable(pair.bob)
    mine, _ = pair.established()
    mine.info(None, "Signal=5\r\nDuration=160\r\n", "application/dtmf-relay")
    pair.run(lambda: type(pair.bob_events[-1]) is InfoReceived)
    event = pair.bob_events[-1]
    assert (event.package, event.dtmf) == ("", DTMF("5", 160))
    assert "Content-Disposition" not in event.request
    event.incoming.respond(200)
    mine.terminate()
    pair.quiet()


# ---------------------------------------------------------------- theirs


def test_one_that_was_agreed_on(wire, called):
    _, answer = called("Recv-Info:")
    event = info(wire, answer, headers=["Info-Package: foo;a=1;b"], body=b"x")
    assert (event.package, event.parameters) == ("foo", {"a": "1", "b": None})
    event.incoming.respond(200)
    assert wire.starts() == [200]


@pytest.mark.parametrize(("names", "said"), [(("foo", "bar"), "foo, bar"), ((), ""), (None, "")])
def test_one_that_was_not_is_refused_and_the_call_stays(wire, called, names, said):
    call, answer = called("Recv-Info:", names=names)
    refusal = info(wire, answer, headers=["Info-Package: FOO"])  # names have case (§7.2)
    assert (refusal.status, refusal.reason) == (469, "Bad Info Package")
    assert refusal.lines("Recv-Info") == [said]
    assert call.state == "InDialog"


def test_one_whose_package_is_none(wire, called):
    _, answer = called()
    assert info(wire, answer, headers=["Info-Package: ,"]).status == 400


def test_one_outside_of_calls(wire):
    InfoReceived.enable(wire.agent())
    wire.receive(wire.request("INFO"))
    assert wire.starts() == [481]
    assert wire.happened == []


def test_one_that_nobody_takes(wire):
    wire.agent()
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    assert info(wire, answer).status == 405
    assert "INFO" not in answer.allow


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", DTMF("5", 160)),
        ("application/dtmf-relay", b"Signal= *\nDuration= 250", DTMF("*", 250)),
        ("application/dtmf-relay", b"signal=11", DTMF("#", None)),
        ("application/dtmf-relay", b"Signal=d\r\nDuration=long", DTMF("D", None)),
        ("application/dtmf-relay", b"Signal=16", DTMF("!", None)),
        ("application/dtmf-relay", b"Signal=17", None),
        ("application/dtmf-relay", b"Signal=5\r\nDuration=1234567", DTMF("5", None)),
        ("application/dtmf-relay", b"Duration=160", None),
        ("application/dtmf-relay", b"Signal=55555", None),
        ("application/dtmf-relay", b"Signal=E", None),
        ("application/dtmf-relay", b"", None),
        ("application/dtmf-relay", b"\xff\x00", None),
        ("application/dtmf", b"7", DTMF("7", None)),
        ("application/dtmf", b"10\r\n", DTMF("*", None)),
        ("application/dtmf", b"\xb2", None),
        ("text/plain", b"5", None),
    ],
)
def test_keys(kind, body, key):
    assert read_dtmf(kind, body) == key

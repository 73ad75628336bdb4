"""The core: who a request is for, what every request must have, and what is left when all is over
(RFC 3261 §8.2; T16 of the contract)."""

import pytest

from sipparty.errors import UsageError
from sipparty.sip import Core, Flow, Request, SimpleCall, UserAgent
from sipparty.sip.core import FlowWanted
from sipparty.sip.events import CallReceived
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import NextHop
from sipparty.sip.wanted import TargetAnswered
from sipparty.testing import SequentialTokens


def ask(wire, uri="sip:bob@biloxi.com", **changes):
    """The status that an OPTIONS is answered with."""
    number = ask.number = getattr(ask, "number", 0) + 1
    changes.setdefault("branch", f"z9hG4bKask{number}")
    changes.setdefault("call_id", f"ask{number}")
    wire.receive(wire.request("OPTIONS", uri, **changes))
    return wire.one().status


# ---------------------------------------------------------------- who a request is for


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:bob@biloxi.com", 200),
        ("sip:bob@BILOXI.com:5090", 200),  # the port does not count
        ("sip:bob@biloxi.com;transport=tcp", 200),
        ("sips:bob@biloxi.com", 200),
        ("sip:b%6fb@biloxi.com", 200),
        ("sip:bob@10.0.0.1:5060", 200),  # the contact
        ("sip:bob@10.0.0.1", 200),
        ("sip:bob@somewhere.else", 200),  # alone with the socket, and the user is its own
        ("sip:bob@192.0.2.77:1234", 200),
        ("sip:BOB@biloxi.com", 404),  # a user has case (§19.1.4)
        ("sip:carol@biloxi.com", 404),
        ("sip:biloxi.com", 200),
        ("sip:10.0.0.1", 200),
        ("sip:10.0.0.1:5060;transport=udp", 200),
    ],
)
def test_one_party_alone(wire, uri, status):
    wire.agent()
    assert ask(wire, uri) == status


@pytest.mark.parametrize(
    ("uri", "who"),
    [
        ("sip:bob@biloxi.com", "bob"),
        ("sip:carol@biloxi.com:5070", "carol"),
        ("sip:bob@atlanta.com", "other bob"),
        ("sip:bob@10.0.0.1:5060", "bob"),
        ("sip:bob@10.0.0.1", "bob"),
        ("sip:bob~2@10.0.0.1", "other bob"),
        ("sip:carol@10.0.0.1", "carol"),
        ("sip:carol@10.0.0.1:5070", None),
        ("sip:carol@10.0.0.2", None),
        ("sip:carol@atlanta.com", None),
        ("sip:dave@biloxi.com", None),
    ],
)
def test_several_parties_share_an_endpoint(wire, uri, who):
    agents = {
        "bob": wire.agent("sip:bob@biloxi.com"),
        "carol": wire.agent("sip:carol@biloxi.com"),
        "other bob": wire.agent("sip:bob@atlanta.com"),
    }
    wire.receive(wire.request("INVITE", uri))
    if who is None:
        assert wire.starts() == [404]
    else:
        (event,) = wire.happened
        assert event.agent is agents[who]


def test_a_host_with_several_parties_answers_options(wire):
    """Who asks a host whether it is up is answered (T16); a call needs somebody to be for."""
    wire.agent("sip:bob@biloxi.com")
    wire.agent("sip:carol@biloxi.com")
    assert ask(wire, "sip:10.0.0.1:5060") == 200
    wire.receive(wire.request("INVITE", "sip:10.0.0.1:5060"))
    assert wire.starts() == [404]


def test_a_party_alone_is_called_by_its_host(wire):
    wire.agent()
    assert wire.invited(uri="sip:10.0.0.1:5060").state == "InitiatingDialog"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"to": "<sip:bob@biloxi.com>;tag=guess"}, 481),
        ({"uri": "sip:carol@biloxi.com"}, 404),
        ({"uri": "tel:+1"}, 416),
        ({"number": 2**32}, 400),
        ({"contact": None}, 400),
        ({"headers": ["Require: dancing"]}, 420),
        ({"headers": ["Accept: text/plain"]}, 406),
        ({"body": b"x", "kind": "text/plain"}, 415),
    ],
)
def test_a_stranger_is_refused_once_and_without_state(wire, change, status):
    """§8.2.7: an INVITE with a false address does not have its refusal sent eleven times."""
    wire.agent(media=True)
    invite = wire.request("INVITE", **change)
    wire.receive(invite)
    first = wire.one()
    assert first.status == status
    assert first.to.tag
    wire.pass_until(40)
    assert wire.sent() == []
    assert wire.core.idle()
    wire.receive(invite)
    assert bytes(wire.one()) == bytes(first)


class Admitting:
    """Takes everybody for alice."""

    def admit(self, transaction, serve):
        transaction.authenticated = "alice"
        serve(transaction)


def test_who_has_proved_who_they_are_is_refused_with_state(wire):
    wire.agent(max_calls=0)._admission = Admitting()
    wire.receive(wire.request("INVITE"))
    wire.pass_until(1.6)
    assert wire.starts() == [486, 486, 486]


def test_a_party_called_as_another_was_is_found_alone_by_its_user(wire):
    first = wire.agent("sip:bob@biloxi.com")
    wire.agent("sip:bob@atlanta.com")
    wire.core.directory.unbind(first, "endpoint")
    assert ask(wire, "sip:bob@10.0.0.1") == 200
    assert ask(wire, "sip:bob~2@10.0.0.1") == 200
    assert ask(wire, "sip:bob@biloxi.com") == 200


def test_a_user_with_escapes_is_one_user(wire):
    wire.agent("sip:%62ob%20b@biloxi.com")
    assert ask(wire, "sip:bob%20b@biloxi.com") == 200
    assert ask(wire, "sip:bob@biloxi.com") == 404


def test_two_of_one_name_cannot_share_an_endpoint(wire):
    wire.agent("sip:bob@biloxi.com")
    with pytest.raises(UsageError, match="bob@biloxi"):
        wire.agent("sip:bob@biloxi.com:5070")


def test_nobody_there(wire):
    assert ask(wire) == 404
    agent = wire.agent()
    assert ask(wire) == 200
    assert wire.core.directory.receiving() == [agent]
    wire.core.directory.unbind(agent, "endpoint")
    wire.core.directory.unbind(agent, "endpoint")
    assert ask(wire) == 404
    assert wire.core.directory.receiving() == []


def test_endpoints_are_told_apart(wire):
    wire.agent()
    other = wire.flow_by(endpoint="another")
    wire.receive(wire.request("OPTIONS"), other)
    assert wire.starts() == [404]


def test_an_agent_may_be_bound_twice(wire):
    agent = wire.agent()
    wire.core.directory.bind(agent, "endpoint")
    wire.core.directory.bind(agent, "another")
    assert wire.core.directory.receiving() == [agent]
    assert agent.contact_user == "bob"


# ---------------------------------------------------------------- what every request must have


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"OPTIONS sip:bob@biloxi.com SIP/2.0", b"OPTIONS tel:+15551234 SIP/2.0", 416),
        (b"OPTIONS sip:bob@biloxi.com SIP/2.0", b"OPTIONS sip:bob@:x SIP/2.0", 400),
        (b"OPTIONS sip:bob@biloxi.com SIP/2.0", b"OPTIONS sip:bob@biloxi.com SIP/7.0", 505),
        (b"\r\nTo: <sip:bob@biloxi.com>", b"", 400),
        (b"\r\nTo: <sip:bob@biloxi.com>", b"\r\nTo:", 400),
        (b"\r\nTo: <sip:bob@biloxi.com>", b'\r\nTo: "bob <sip:bob@biloxi.com>', 400),
        (b"\r\nFrom: <sip:alice@atlanta.com>;tag=a1", b"", 400),
        (b"\r\nCall-ID: c1", b"", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"\r\nCSeq: 1 INVITE", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"\r\nCSeq: one OPTIONS", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"\r\nCSeq: OPTIONS", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"\r\nCSeq: 36893488147419103232 OPTIONS", 400),
        (b"\r\nCSeq: 1 OPTIONS", b"\r\nCSeq: 1\tOPTIONS", 200),
        (b"OPTIONS", b"DANCE", 501),
        (b"\r\nMax-Forwards: 70", b"\r\nMax-Forwards: 0", 200),  # we are where it goes (§16.3)
        (b"\r\nMax-Forwards: 70", b"\r\nRequire: dancing", 420),
        (b"\r\nMax-Forwards: 70", b"\r\nSupported: dancing\r\nProxy-Require: dancing", 200),
    ],
)
def test_what_a_request_must_be(wire, old, new, status):
    wire.agent()
    request = wire.request("OPTIONS")
    assert old in request
    wire.receive(request.replace(old, new))
    answer = wire.one()
    assert answer.status == status
    wire.pass_until(40)
    assert wire.core.idle()
    assert wire.core.counters["malformed"] == 0


@pytest.mark.parametrize(
    ("to", "tagged"),
    [
        ("<sip:bob@biloxi.com>", True),
        ('"tag=1" <sip:bob@biloxi.com>', True),
        ("<sip:bob@biloxi.com;tag=1>", True),
        ("sip:bob@biloxi.com", True),
        ("<sip:bob@biloxi.com>;tag=b1", False),
    ],
)
def test_an_answer_has_a_to_tag(wire, to, tagged):
    # §8.2.6.2; a 481 keeps the one that came.
    wire.receive(wire.request("OPTIONS", to=to))
    answer = wire.one()
    assert answer.status == (404 if tagged else 481)
    assert answer.to.tag
    assert (answer.to.tag != "b1") is tagged


@pytest.mark.parametrize("method", ["BYE", "INVITE", "OPTIONS", "DANCE"])
def test_a_request_for_a_dialog_that_is_not_there(wire, method):
    wire.agent()
    wire.receive(wire.request(method, to="<sip:bob@biloxi.com>;tag=b1"))
    assert wire.starts() == [481]


def test_a_bye_without_a_tag_is_for_no_dialog(wire):
    wire.agent()
    wire.receive(wire.request("BYE"))
    assert wire.starts() == [481]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\r\n\r\nhello\r\n\r\n",
        b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 900 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n",
    ],
)
def test_what_is_no_message_is_counted_and_dropped(wire, data):
    wire.agent()
    wire.receive(data)
    assert wire.sent() == []
    assert wire.core.counters["malformed"] == 1
    assert wire.core.idle()


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n", b"\0"])
def test_a_keep_alive_is_no_message(wire, data):
    wire.receive(data)
    assert wire.core.counters["malformed"] == 0
    assert wire.core.counters["received"] == 1


def test_an_ack_that_cannot_be_read_is_dropped(wire):
    wire.receive(wire.request("ACK", to='"bob <sip:bob@biloxi.com>'))
    assert wire.core.counters["malformed"] == 1
    assert wire.core.idle()


def test_a_defect_is_answered_500_and_comes_out(wire):
    agent = wire.agent()

    def defect(transaction):
        raise ZeroDivisionError

    agent.methods["DANCE"] = defect
    with pytest.raises(ZeroDivisionError):
        wire.receive(wire.request("DANCE"))
    assert wire.starts() == [500]
    wire.pass_until(40)
    assert wire.core.idle()


def test_a_defect_after_the_answer_is_not_answered_again(wire):
    agent = wire.agent()

    def defect(transaction):
        transaction.respond(transaction.request.response(200))
        raise ZeroDivisionError

    agent.methods["DANCE"] = defect
    with pytest.raises(ZeroDivisionError):
        wire.receive(wire.request("DANCE"))
    assert wire.starts() == [200]


# ---------------------------------------------------------------- time, flows and what is left


def test_flows_are_asked_for_and_verbs_see_the_time():
    core = Core(SequentialTokens(), now=100.0)
    agent = UserAgent(core, "sip:alice@atlanta.com")
    call = SimpleCall(agent).invite("sip:bob@biloxi.com:5070;transport=tcp")
    (wanted,) = core.events()
    assert isinstance(wanted, FlowWanted)
    assert wanted.agent is agent
    assert wanted.next_hop == NextHop("biloxi.com", 5070, "TCP")
    assert core.events() == []
    assert core.transmits() == []
    assert core.next_timer() == 280.0  # the caller's patience
    flow = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.9", 5070), "endpoint")
    core.flow_found(wanted, flow, 101.0)
    ((data, way),) = core.transmits()
    assert data.startswith(b"INVITE sip:bob@biloxi.com:5070;transport=tcp SIP/2.0\r\n")
    assert way is flow
    assert core.next_timer() == 101.5
    core.at(101.2)
    call.terminate()
    assert core.next_timer() == 101.5


def test_a_core_tells_what_is_under_way(wire):
    agent = wire.agent()
    assert wire.core.idle()
    call = wire.invited()
    call.accept()
    wire.receive(wire.within(wire.one(), "ACK", 1))
    counts = wire.core.counts()
    assert counts["dialogs"] == counts["server_transactions"] == 1
    assert counts["received"] == 2
    assert counts["sent"] == 1
    assert not wire.core.idle()
    assert set(agent.dialogs) == {call}
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    assert not wire.core.idle()  # transactions linger
    wire.pass_until(40)
    assert wire.core.idle()
    assert wire.core.next_timer() is None
    counts = wire.core.counts()
    assert [counts[key] for key in ("dialogs", "client_transactions", "timers")] == [0, 0, 0]


def test_a_flow_that_fails_fails_the_request(wire):
    agent = wire.agent()
    wire.hold_flows = True
    asked = send_out_of_dialog(agent, Request("OPTIONS", "sip:x@y"), NextHop("y"))
    wire.pump()
    wire.core.flow_failed(wire.wanted[0], "No route leads there.", 3.0)
    assert wire.core.timers.now == 3.0
    assert asked.state == "Failed"
    assert wire.core.idle()


def test_events_are_in_order(wire):
    wire.agent("sip:bob@biloxi.com")
    wire.agent("sip:carol@biloxi.com")
    for number, name in enumerate(("bob", "carol", "bob")):
        wire.receive(
            wire.request(
                "INVITE",
                f"sip:{name}@biloxi.com",
                branch=f"z9hG4bK{number}",
                call_id=f"c{number}",
            )
        )
    assert [(type(e), e.agent.user) for e in wire.happened] == [
        (CallReceived, "bob"),
        (CallReceived, "carol"),
        (CallReceived, "bob"),
    ]


# ---------------------------------------------------------------- how it is told what is malformed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"from_": "<sip:a%zz@x>;tag=1"},
            "Malformed From: expected '@', or a character a user may",
        ),
        ({"to": "<sip:b@-x>"}, "Malformed To: expected a host name without stray"),
        ({"contact": "<tel:+1>"}, "Malformed Contact: expected a sip: or sips: URI"),
        ({"contact": "<sip:a@x;maddr=-y>"}, "Malformed "),
        ({"headers": ["Require: ;"]}, "Malformed Require: expected a token"),
        ({"headers": ["Record-Route: x"]}, "Malformed Record-Route: expected a scheme"),
        ({"body": b"x", "kind": "text"}, "Malformed Content-Type: expected type/subtype"),
        ({"body": b"x", "kind": "multipart/mixed"}, "Malformed Content-Type: expected a boundary"),
    ],
)
def test_a_400_names_the_header(wire, changes, reason):
    # §21.4.1
    wire.agent()
    wire.receive(wire.request("INVITE", **changes))
    answer = wire.one()
    assert answer.status == 400
    assert answer.reason.startswith(reason)
    assert "Is Not Valid" not in answer.reason


def test_a_malformed_request_with_bare_line_feeds_is_answered(wire):
    wire.agent()
    data = (
        wire.request("OPTIONS")
        .replace(b"\r\n", b"\n")
        .replace(b" SIP/2.0\n", b" more SIP/2.0\n", 1)
    )
    wire.receive(data)
    answer = wire.one()
    assert (answer.status, answer.cseq.method) == (400, "OPTIONS")
    assert b"\n" not in bytes(answer).replace(b"\r\n", b"")


@pytest.mark.parametrize("via", [",", " , ", ",;", ";", "SIP/2.0/UDP"])
@pytest.mark.parametrize("broken", [False, True])
def test_a_via_that_names_nobody_is_dropped(wire, via, broken):
    """It raised IndexError, for each datagram."""
    wire.agent()
    data = wire.request("OPTIONS", via=via)
    wire.receive(data.replace(b"Call-ID:", b"Call ID:") if broken else data)
    assert wire.sent() == []
    assert wire.core.counters["malformed"] == 1
    wire.receive(b"SIP/2.0 200 OK\r\n" + data.partition(b"\r\n")[2])
    assert wire.core.counters["malformed"] == 2


@pytest.mark.parametrize("data", [b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"])
def test_what_keeps_a_flow_open_is_not_malformed(wire, data):
    wire.receive(data)
    assert wire.core.counters["malformed"] == 0
    assert wire.sent() == []


def test_the_answer_to_what_cannot_be_parsed_goes_where_it_came_from(wire):
    """RFC 3261 §18.2.1: its Via says where that is."""
    data = wire.request("OPTIONS", via="SIP/2.0/UDP pc.atlanta.com;branch=z9hG4bK1;rport")
    wire.receive(data.replace(b"Max-Forwards", b"Max Forwards"))
    answer, flow = wire.way()
    assert (answer.status, flow.remote) == (400, wire.flow.remote)
    assert (answer.via.received, answer.via.rport) == ("10.0.0.9", "5060")


def test_of_several_agents_the_first_answers_for_the_host(wire):
    for name in ("bob", "carol"):
        wire.agent(f"sip:{name}@biloxi.com").product = name
    wire.receive(wire.request("OPTIONS", "sip:10.0.0.1"))
    assert wire.one().contact.username == "bob"


@pytest.mark.parametrize(("status", "answers"), [(503, 0), (486, 1), (200, 1)])
def test_a_target_that_answers_again_is_reported(wire, status, answers):
    """A 503 says that it does not serve (RFC 3261 §21.5.4)."""
    wire.core.suspect(wire.flow)
    _, invite = wire.invite(wire.agent("sip:alice@atlanta.com"))
    wire.receive(wire.answer(invite, status))
    assert wire.kinds().count(TargetAnswered) == answers

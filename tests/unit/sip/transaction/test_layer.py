"""Which message belongs to which transaction, and where responses go (RFC 3261 §17.1.3, §17.2.3,
§18.2, §9, §8.2.2.2; RFC 3581)."""

import pytest

from sipparty.sip import Flow, Request, SimpleCall
from sipparty.sip.facts import top_via
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.policy import Policy
from sipparty.sip.routing import NextHop


@pytest.fixture
def bob(wire):
    return wire.agent()


def ask(wire, agent, method="OPTIONS", **options):
    """Send a request of an agent's; returns it and the request as it was sent."""
    request = Request(method, "sip:carol@10.0.0.9")
    asked = send_out_of_dialog(agent, request, NextHop.of(request.uri_text))
    return asked, wire.one()


# ---------------------------------------------------------------- responses in (§17.1.3)


def test_a_response_is_matched_by_branch_and_method(wire, bob):
    first, first_sent = ask(wire, bob)
    second, second_sent = ask(wire, bob)
    wire.receive(wire.answer(second_sent, 200))
    assert (first.state, second.state) == ("Waiting", "Answered")
    wire.receive(wire.answer(first_sent, 404))
    assert first.response.status == 404


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"branch=z9hG4bK", b"branch=z9hG4bKx"),
        (b" OPTIONS\r\n", b" MESSAGE\r\n"),
        (b";branch=", b";brunch="),
        # §8.1.3.3: more than one Via is a response that went astray.
        (b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKy\r\nFrom:"),
        (b";rport;", b";rport, SIP/2.0/UDP 10.0.0.3;"),
    ],
)
def test_a_response_that_matches_nothing_is_counted_and_dropped(wire, bob, old, new):
    asked, sent = ask(wire, bob)
    changed = wire.answer(sent, 200).replace(old, new)
    assert old in wire.answer(sent, 200)
    wire.receive(changed)
    assert asked.state == "Waiting"
    assert wire.core.counters["stray_responses"] == 1


@pytest.mark.parametrize("name", [b"Via", b"CSeq"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_response_without_via_or_cseq_is_malformed(wire, bob, name, empty):
    asked, sent = ask(wire, bob)
    lines = wire.answer(sent, 200).split(b"\r\n")
    lines = [
        name + b":" if empty and line.startswith(name) else line
        for line in lines
        if empty or not line.startswith(name)
    ]
    wire.receive(b"\r\n".join(lines))
    assert asked.state == "Waiting"
    assert wire.core.counters["malformed"] == 1


def test_a_tab_may_stand_in_a_cseq(wire, bob):
    asked, sent = ask(wire, bob)
    wire.receive(wire.answer(sent, 200).replace(b" OPTIONS\r\n", b"\tOPTIONS\r\n"))
    assert asked.state == "Answered"


def test_our_via_names_the_flow_and_asks_for_rport(wire, bob):
    # §18.1.1, §8.1.1.7, RFC 3581 §3.
    _, sent = ask(wire, bob)
    assert sent.via.transport == "UDP"
    assert sent.via.sent_by == "10.0.0.1:5060"
    assert sent.via.rport == ""
    assert sent.via.branch.startswith("z9hG4bK")


@pytest.mark.parametrize(
    "sent_by",
    [
        b"UDP 10.0.0.2:5060;",  # who answers another host's request has not read ours
        b"UDP 10.0.0.1:5062;",
        b"UDP 10.0.0.1.evil.example:5060;",
        b"UDP [2001:db8::1]:5060;",
    ],
)
def test_a_response_has_the_sent_by_that_we_wrote(wire, bob, sent_by):
    """§18.1.2: else it is dropped in silence."""
    asked, sent = ask(wire, bob)
    wire.receive(wire.answer(sent, 200).replace(b"UDP 10.0.0.1:5060;", sent_by))
    assert asked.state == "Waiting"
    assert wire.core.counters["stray_responses"] == 1
    wire.receive(wire.answer(sent, 200))
    assert asked.state == "Answered"


@pytest.mark.parametrize(
    ("local", "written"),
    [
        ("10.0.0.1", b"SIP / 2.0 / UDP 10.0.0.1:5060 ;"),
        ("10.0.0.1", b"SIP/2.0/UDP  10.0.0.1;"),  # 5060 is what no port means
        ("pc.Atlanta.com", b"SIP/2.0/UDP PC.atlanta.com:5060;"),
        ("2001:db8::1", b"SIP/2.0/UDP [2001:DB8:0::1]:5060;"),
    ],
)
def test_the_sent_by_may_be_written_otherwise(wire, bob, local, written):
    wire.flow = wire.flow_by(local=(local, 5060))
    asked, sent = ask(wire, bob)
    data = wire.answer(sent, 200)
    start = data.index(b"SIP/2.0/UDP")
    end = data.index(b";rport")
    wire.receive(data[:start] + written + data[end + 1 :])
    assert asked.state == "Answered"


# ---------------------------------------------------------------- requests in (§17.2.3)


def changed_branch(text):
    return text.replace(b"branch=z9hG4bK1", b"branch=z9hG4bK2")


def test_a_request_that_comes_again_is_not_taken_twice(wire, bob):
    invite = wire.request("INVITE")
    wire.receive(invite)
    wire.receive(invite)
    assert len(wire.happened) == 1
    assert len(wire.core.transactions.servers) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"branch=z9hG4bK1", b"branch=z9hG4bK2"),
        (b"UDP 10.0.0.9", b"UDP 10.0.0.8"),
        (b"UDP 10.0.0.9", b"UDP 10.0.0.9:5062"),
    ],
)
def test_another_branch_or_sent_by_is_another_transaction(wire, bob, old, new):
    wire.receive(wire.request("OPTIONS"))
    wire.receive(wire.request("OPTIONS", number=2).replace(old, new))
    assert wire.starts() == [200, 200]
    assert len(wire.core.transactions.servers) == 2


def test_the_sent_by_is_matched_in_any_case(wire, bob):
    for host in ("pc.atlanta.com", "PC.Atlanta.com"):
        wire.receive(wire.request("OPTIONS", via=f"SIP/2.0/UDP {host};branch=z9hG4bK1"))
    assert len(wire.core.transactions.servers) == 1


def test_a_branch_that_is_used_again_makes_a_transaction_of_its_own(wire, bob):
    """§8.1.1.7: it is wrong of the sender; absorbed, the request would never be answered."""
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    again = wire.within(answer, "INVITE", 2, branch="z9hG4bK1")
    wire.receive(again)
    first = wire.one()
    assert (first.status, first.cseq.number) == (200, 2)
    wire.receive(again)  # this is sent again: absorbed, as the 200 is ours to repeat
    assert wire.sent() == []
    wire.acknowledge(answer, 2, branch="z9hG4bK1")
    wire.pass_until(wire.now + 5)
    assert wire.sent() == []  # the ACK was for the second
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()


def test_a_refusal_of_a_branch_that_is_used_again_is_acknowledged(wire, bob):
    for number in (1, 2):
        call = wire.invited(number=number)
        call.reject(486)
        wire.receive(wire.request("ACK", number=number))
    assert wire.starts() == [486, 486]
    states = [one.state for one in wire.core.transactions.servers.values()]
    assert states == ["Confirmed", "Confirmed"]


def test_an_ack_for_a_failure_is_matched_as_its_invite(wire, bob):
    call = wire.invited()
    call.reject(486)
    (transaction,) = wire.core.transactions.servers.values()
    assert wire.starts() == [486]
    wire.receive(wire.request("ACK"))
    assert transaction.state == "Confirmed"
    assert wire.sent() == []


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": "c2"},
        {"number": 2},
        {"from_": "<sip:alice@atlanta.com>;tag=a2"},
        {"from_": "<sip:alice@atlanta.com>"},
    ],
)
def test_a_cancel_says_what_its_invite_says(wire, bob, change):
    """§9.1: who has guessed or seen a branch alone cannot cancel."""
    call = wire.invited()
    wire.receive(wire.request("CANCEL", **change))
    assert wire.starts() == [481]
    assert call.state == "InitiatingDialog"
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200, 487]


def test_a_cancel_of_a_branch_that_is_used_again(wire, bob):
    first = wire.invited()
    second = wire.invited(number=2, call_id="c2")
    wire.receive(wire.request("CANCEL", number=2, call_id="c2"))
    assert (first.state, second.state) == ("InitiatingDialog", "Terminated")
    wire.receive(wire.request("CANCEL"))
    assert first.state == "Terminated"
    assert wire.starts() == [200, 487, 200, 487]


def test_a_cancel_is_a_transaction_of_its_own(wire, bob):
    wire.receive(wire.request("INVITE"))
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200, 487]
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200]  # sent again for the CANCEL, nothing else
    assert len(wire.core.transactions.servers) == 2


OLD = "SIP/2.0/UDP 10.0.0.9;branch=1"  # no cookie: RFC 2543


@pytest.mark.parametrize("via", [OLD, "SIP/2.0/UDP 10.0.0.9"])
def test_an_old_request_is_matched_by_what_it_says(wire, bob, via):
    wire.receive(wire.request("INVITE", via=via))
    wire.receive(wire.request("INVITE", via=via))
    assert len(wire.happened) == 1
    assert len(wire.core.transactions.servers) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"via": "SIP/2.0/UDP 10.0.0.9;branch=2"},
        {"via": "SIP/2.0/UDP 10.0.0.8;branch=1"},
        {"number": 2},
        {"call_id": "c2"},
        {"from_": "<sip:alice@atlanta.com>;tag=a2"},
        {"uri": "sip:bob@10.0.0.1"},
    ],
)
def test_an_old_request_that_says_anything_else_is_another(wire, bob, change):
    wire.receive(wire.request("OPTIONS", via=OLD))
    wire.receive(wire.request("OPTIONS", **{"via": OLD, **change}))
    first, other = wire.sent()
    assert first.status == 200
    assert first.to.tag != other.to.tag


def test_an_old_ack_has_the_to_tag_of_the_answer(wire, bob):
    call = wire.invited(via=OLD)
    call.reject(486)
    tag = wire.one().to.tag
    wire.receive(wire.request("ACK", via=OLD, to=f"<sip:bob@biloxi.com>;tag={tag}"))
    (transaction,) = wire.core.transactions.servers.values()
    assert transaction.state == "Confirmed"


def test_an_old_cancel_finds_its_invite(wire, bob):
    wire.receive(wire.request("INVITE", via=OLD))
    wire.receive(wire.request("CANCEL", via=OLD))
    assert wire.starts() == [200, 487]


def test_an_old_ack_for_a_2xx_ends_its_retransmission(wire, bob):
    # It shares the branch, and so the transaction, of its INVITE.
    call = wire.invited(via=OLD)
    call.accept()
    tag = wire.one().to.tag
    wire.receive(wire.request("ACK", via=OLD, to=f"<sip:bob@biloxi.com>;tag={tag}"))
    wire.pass_until(31)
    assert wire.sent() == []
    assert call.state == "InDialog"


# ---------------------------------------------------------------- CANCEL (§9.2)


def test_a_cancel_for_nothing_is_answered_481(wire, bob):
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [481]


@pytest.mark.parametrize(
    "change", [{"branch": "z9hG4bK2"}, {"via": "SIP/2.0/UDP 10.0.0.8;branch=z9hG4bK1"}]
)
def test_a_cancel_is_matched_by_its_top_via(wire, bob, change):
    call = wire.invited()
    wire.receive(wire.request("CANCEL", **change))
    assert wire.starts() == [481]
    assert call.state == "InitiatingDialog"


def test_a_cancel_changes_nothing_for_a_request_that_is_answered(wire, bob):
    wire.receive(wire.request("OPTIONS"))
    wire.receive(wire.request("CANCEL"))
    assert wire.starts() == [200, 200]


def test_the_answers_to_a_cancel_and_its_invite_share_a_to_tag(wire, bob):
    call = wire.invited()
    call.ring()
    wire.receive(wire.request("CANCEL"))
    ringing, cancelled, terminated = wire.sent()
    assert [ringing.status, cancelled.status, terminated.status] == [180, 200, 487]
    assert ringing.to.tag == cancelled.to.tag == terminated.to.tag
    assert str(cancelled.cseq) == "1 CANCEL"
    assert str(terminated.cseq) == "1 INVITE"


# ---------------------------------------------------------------- merged requests (§8.2.2.2)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_copy_by_another_path_is_answered_482(wire, bob, method):
    wire.receive(wire.request(method))
    wire.sent()
    wire.receive(wire.request(method, branch="z9hG4bK2"))
    assert wire.starts() == [482]
    assert len(wire.happened) == (method == "INVITE")


def test_what_is_forked_to_two_users_of_one_core_is_not_merged(wire, bob):
    """A proxy that rings two phones of one program: each is a user agent of its own."""
    wire.agent("sip:carol@biloxi.com")
    wire.receive(wire.request("INVITE"))
    wire.receive(wire.request("INVITE", "sip:carol@biloxi.com", branch="z9hG4bK2"))
    assert wire.sent() == []
    assert [event.agent.user for event in wire.happened] == ["bob", "carol"]


@pytest.mark.parametrize(
    "change",
    [{"number": 2}, {"call_id": "c2"}, {"from_": "<sip:alice@atlanta.com>;tag=a2"}],
)
def test_a_request_that_differs_is_no_copy(wire, bob, change):
    wire.receive(wire.request("OPTIONS"))
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK2", **change))
    assert wire.starts() == [200, 200]


def test_a_copy_is_one_only_while_the_first_lasts(wire, bob):
    wire.receive(wire.request("OPTIONS"))
    wire.pass_until(31.999)
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK2"))
    wire.pass_until(33)
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK3"))
    assert wire.starts() == [200, 482, 200]
    wire.pass_until(100)
    assert wire.core.idle()
    assert not wire.core.user_agents._merged


# ---------------------------------------------------------------- where responses go


@pytest.mark.parametrize(
    ("via", "source", "goes_to", "says"),
    [
        # §18.2.2: the port of the sent-by, or 5060, at the address it came from.
        ("10.0.0.9:5070", ("10.0.0.9", 9999), ("10.0.0.9", 5070), "10.0.0.9:5070;branch=z9hG4bK1"),
        ("10.0.0.9", ("10.0.0.9", 9999), ("10.0.0.9", 5060), "10.0.0.9;branch=z9hG4bK1"),
        (
            "pc.atlanta.com:5070",
            ("192.0.2.1", 9999),
            ("192.0.2.1", 5070),
            "pc.atlanta.com:5070;branch=z9hG4bK1;received=192.0.2.1",
        ),
        # RFC 3581 §4: the port it came from, and `received` in any case.
        (
            "10.0.0.9:5070;rport",
            ("10.0.0.9", 9999),
            ("10.0.0.9", 9999),
            "10.0.0.9:5070;rport=9999;branch=z9hG4bK1;received=10.0.0.9",
        ),
        (
            "10.0.0.9:5070;RPORT ",
            ("192.0.2.1", 9999),
            ("192.0.2.1", 9999),
            "10.0.0.9:5070;rport=9999;branch=z9hG4bK1;received=192.0.2.1",
        ),
        # A port that came filled in was not asked for.
        (
            "10.0.0.9:5070;rport=1",
            ("10.0.0.9", 9999),
            ("10.0.0.9", 5070),
            "10.0.0.9:5070;rport=1;branch=z9hG4bK1",
        ),
        # A `received` that came with the request is not believed.
        (
            "10.0.0.9;received=6.6.6.6",
            ("192.0.2.1", 9999),
            ("192.0.2.1", 5060),
            "10.0.0.9;branch=z9hG4bK1;received=192.0.2.1",
        ),
        # §18.2.2: maddr, with the port of the sent-by even where rport is there (RFC 3581 §4), if
        # it is the source.
        (
            "10.0.0.9:5070;rport;maddr=10.0.0.9",
            ("10.0.0.9", 9999),
            ("10.0.0.9", 5070),
            "10.0.0.9:5070;rport=9999;maddr=10.0.0.9;branch=z9hG4bK1;received=10.0.0.9",
        ),
        # Nobody has an answer sent to a third address.
        *(
            (
                f"10.0.0.9:5070;rport;maddr={maddr}",
                ("10.0.0.9", 9999),
                ("10.0.0.9", 9999),
                f"10.0.0.9:5070;rport=9999;maddr={maddr};branch=z9hG4bK1;received=10.0.0.9",
            )
            for maddr in ("239.1.1.1", "255.255.255.255", "169.254.169.254", "10.0.0.10", "[::1]")
        ),
        (
            "10.0.0.9;maddr=10.0.0.10",
            ("10.0.0.9", 9999),
            ("10.0.0.9", 5060),
            "10.0.0.9;maddr=10.0.0.10;branch=z9hG4bK1",
        ),
        (
            "[2001:db8::9]:5070",
            ("2001:db8::9", 9999),
            ("2001:db8::9", 5070),
            "[2001:db8::9]:5070;branch=z9hG4bK1",
        ),
    ],
)
def test_the_way_of_a_response_over_udp(wire, bob, via, source, goes_to, says):
    flow = Flow("UDP", ("10.0.0.1", 5060), source, "endpoint")
    wire.receive(wire.request("OPTIONS", via=f"SIP/2.0/UDP {via};branch=z9hG4bK1"), flow)
    response, way = wire.way()
    assert (way.transport, way.local, way.remote) == (flow.transport, flow.local, goes_to)
    assert response.lines("Via") == [f"SIP/2.0/UDP {says}"]


def test_an_address_that_a_maddr_may_name(wire, bob):
    wire.core.transactions._policy = Policy(via_maddr=["239.1.1.1"])
    via = "SIP/2.0/UDP 10.0.0.9:5070;rport;maddr=239.1.1.1;branch=z9hG4bK1"
    wire.receive(wire.request("OPTIONS", via=via))
    assert wire.way()[1].remote == ("239.1.1.1", 5070)


@pytest.mark.parametrize("via", ["10.0.0.9:5070", "10.0.0.9;rport", "10.0.0.9;maddr=239.1.1.1"])
def test_a_response_goes_back_by_the_stream_its_request_came_by(reliable_wire, via):
    wire = reliable_wire
    wire.agent()
    flow = wire.flow_by(remote=("192.0.2.1", 9999))
    wire.receive(wire.request("OPTIONS", via=f"SIP/2.0/TCP {via};branch=z9hG4bK1"), flow)
    response, way = wire.way()
    assert way == flow
    assert response.via.received == "192.0.2.1"


def test_only_the_top_via_is_marked(wire, bob):
    flow = wire.flow_by(remote=("192.0.2.1", 9999))
    vias = "SIP/2.0/UDP 10.0.0.8;branch=z9hG4bK1 , SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0"
    text = wire.request("OPTIONS", via=vias).replace(b"\r\nFrom", b"\r\nv: SIP/2.0/UDP h\r\nFrom")
    wire.receive(text, flow)
    assert wire.one().lines("Via") == [
        "SIP/2.0/UDP 10.0.0.8;branch=z9hG4bK1;received=192.0.2.1, "
        "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0",
        "SIP/2.0/UDP h",
    ]


def test_a_request_with_a_via_that_is_none_is_dropped(wire, bob):
    wire.receive(wire.request("OPTIONS", via="carrier pigeon"))
    assert wire.sent() == []
    assert wire.core.counters["malformed"] == 1


def test_nothing_but_the_source_changes_in_a_via(wire, bob):
    flow = wire.flow_by(remote=("192.0.2.1", 7))
    via = 'SIP/2.0/UDP a.example:5061 ;rport; branch=z9hG4bK1;x="a;b"'
    wire.receive(wire.request("OPTIONS", via=via), flow)
    assert wire.one().lines("Via") == [
        'SIP/2.0/UDP a.example:5061;rport=7; branch=z9hG4bK1;x="a;b";received=192.0.2.1'
    ]


def test_the_top_via_is_the_first_of_its_line():
    assert top_via("SIP/2.0/UDP a, SIP/2.0/UDP b").host == "a"
    assert top_via("SIP/2.0/UDP c").host == "c"


# ---------------------------------------------------------------- a transport that fails


def test_a_broken_flow_ends_what_goes_by_it_and_nothing_else(wire, bob):
    here, _ = ask(wire, bob)
    there = send_out_of_dialog(bob, Request("OPTIONS", "sip:dave@10.0.0.8"), NextHop("10.0.0.8"))
    wire.pump()
    wire.core.transport_failed(wire.flow, "connection refused", wire.now)
    assert (here.state, there.state) == ("Failed", "Waiting")
    assert here.error.status == 503
    assert str(here.error) == "10.0.0.9:5060 cannot be reached: connection refused."


def test_a_broken_flow_fails_a_call(wire, bob):
    call = SimpleCall(bob).invite("sip:carol@10.0.0.9")
    wire.pump()
    wire.core.transport_failed(wire.flow, "connection refused.", wire.now)
    assert call.state == "Error"
    assert str(call.last_error) == "10.0.0.9:5060 cannot be reached: connection refused."
    wire.pass_until(40)
    assert wire.core.idle()

"""What peers may have us hold: beyond it they are told so, and what is under way goes on."""

import errno
import gc
from collections import Counter

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Limits, Message


@pytest.fixture
def wire_with(wire):
    """Make a core with some limits, and an agent there."""

    def make(**limits):
        limits.setdefault("max_share", 100)
        made = type(wire)(limits=Limits(**limits))
        made.agent()
        return made

    return make


def ask(wire, number, method="OPTIONS", **changes):
    """Send one of many requests, each of its own; return the answer, if there is one."""
    changes.setdefault("branch", f"z9hG4bK{number}")
    wire.receive(wire.request(method, call_id=f"c{number}", **changes))
    return [message for message in wire.sent() if message.status > 100]


# ---------------------------------------------------------------- requests at a time


def test_more_requests_than_may_be_are_refused_without_state(wire_with):
    wire = wire_with(max_transactions=3, retry_after=7)
    assert [ask(wire, number)[0].status for number in range(3)] == [200, 200, 200]
    (answer,) = ask(wire, 3)
    assert answer.status == 503
    assert answer["Retry-After"] == "7"
    assert answer.to.tag
    assert len(wire.core.transactions.servers) == 3
    assert wire.core.counts()["refused"] == 1


def test_a_refusal_goes_where_an_answer_would(wire_with):
    wire = wire_with(max_transactions=0)
    via = "SIP/2.0/UDP 192.0.2.1:7777;branch=z9hG4bKx;rport"
    wire.receive(wire.request("OPTIONS", via=via))
    answer, flow = wire.way()
    assert answer.status == 503
    assert flow.remote == wire.flow.remote
    assert answer.via.parameter("rport") == str(wire.flow.remote[1])


def test_a_request_that_is_known_is_answered_again(wire_with):
    wire = wire_with(max_transactions=1)
    assert ask(wire, 1)[0].status == 200
    assert ask(wire, 2)[0].status == 503
    assert ask(wire, 1)[0].status == 200


def test_there_is_room_again_when_they_are_over(wire_with):
    wire = wire_with(max_transactions=1)
    ask(wire, 1)
    assert ask(wire, 2)[0].status == 503
    wire.pass_until(33)
    assert ask(wire, 3)[0].status == 200
    wire.over()
    assert wire.core.transactions.held == 0


def test_calls_end_though_there_is_no_room_for_new_ones(wire_with):
    wire = wire_with(max_transactions=1)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    assert ask(wire, 2)[0].status == 503
    wire.acknowledge(answer)
    wire.receive(wire.within(answer, "BYE"))
    assert wire.one().status == 200
    assert call.state == "Terminated"


def test_a_call_is_cancelled_though_there_is_no_room_for_new_ones(wire_with):
    wire = wire_with(max_transactions=1)
    call = wire.invited()
    wire.receive(wire.request("CANCEL"))
    assert sorted(message.status for message in wire.sent()) == [200, 487]
    assert call.state == "Terminated"


def test_what_claims_to_be_in_a_call_takes_no_room_from_what_is(wire_with):
    wire = wire_with(max_transactions=2)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    to = "<sip:bob@biloxi.com>;tag=guess"
    assert [ask(wire, number, "BYE", to=to)[0].status for number in range(9)] == [481] * 9
    assert len(wire.core.transactions.servers) == 1  # that of the INVITE
    wire.receive(wire.within(answer, "BYE"))
    assert wire.one().status == 200


def test_what_is_in_a_call_has_an_end_too(wire_with):
    wire = wire_with(max_transactions=2)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    for number in range(2, 9):
        wire.receive(wire.within(answer, "OPTIONS", number))
    answers = wire.sent()
    assert [one.status for one in answers] == [200, 200, 200, 503, 503, 503, 503]
    assert answers[-1]["Retry-After"] == "10"
    other = wire.within(answer, "OPTIONS", 9, branch="z9hG4bKother")
    wire.receive(other.replace(b"Call-ID: c1", b"Call-ID: c2"))
    assert wire.one().status == 481  # no such call is here


def test_a_cancel_of_nothing_is_not_answered(wire_with):
    """§8.2.7: who keeps no state has nothing to cancel."""
    wire = wire_with(max_transactions=0)
    wire.receive(wire.request("CANCEL"))
    assert wire.sent() == []


def test_a_refusal_is_the_same_each_time(wire_with):
    """§8.2.7."""
    wire = wire_with(max_transactions=0)
    first, again, other = ask(wire, 1), ask(wire, 1), ask(wire, 2)
    assert first == again
    assert first[0].to.tag != other[0].to.tag


def test_an_ack_is_not_answered(wire_with):
    wire = wire_with(max_transactions=0)
    wire.receive(wire.request("ACK"))
    assert wire.sent() == []


# ---------------------------------------------------------------- bytes


def test_large_requests_fill_the_room_sooner(wire_with):
    wire = wire_with(max_held=16_000)
    wire.core.directory.receiving()[0].handle_method("MESSAGE")
    large = b"x" * 6000
    assert ask(wire, 1, "MESSAGE", body=large, kind="text/plain") == []  # nobody has decided yet
    assert 6000 < wire.core.transactions.held < 10_000
    assert ask(wire, 2, "MESSAGE", body=large, kind="text/plain") == []
    assert ask(wire, 3, "MESSAGE", body=large, kind="text/plain")[0].status == 503
    wire.happened[0].incoming.respond(200)
    # The answer is kept, the request is not.
    assert 9000 < wire.core.transactions.held < 11_500
    wire.over()
    assert wire.core.transactions.held == 0


def test_what_a_call_holds_is_given_back(wire_with):
    wire = wire_with()
    call = wire.invited(body=b"v=0\r\n")
    held = [wire.core.transactions.held]
    call.ring()
    held.append(wire.core.transactions.held)
    call.accept()
    answer = wire.sent()[-1]
    held.append(wire.core.transactions.held)
    wire.acknowledge(answer)
    held.append(wire.core.transactions.held)
    asked, rung, accepted, acknowledged = held
    assert asked > 5000  # what was sent, and the objects that it became
    assert rung > asked + 200  # the 180 beside the INVITE
    assert acknowledged + len(bytes(answer)) == accepted
    assert 3000 < acknowledged < 3500  # the dialog, and the transaction that takes the INVITE again
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    wire.over()
    assert wire.core.transactions.held == 0


def test_calls_that_hold_much_fill_the_room_too(wire_with):
    """A route set is kept as long as the call, whatever became of its requests."""
    wire = wire_with(max_held=58_000)
    routes = [f"Record-Route: <sip:{'p' * 8000}.example;lr>" for _ in range(7)]
    call = wire.invited(headers=routes)
    call.accept()
    wire.acknowledge(wire.one())
    wire.pass_until(40)
    assert wire.core.transactions.held > 56_000
    assert ask(wire, 2, "INVITE", headers=routes)[0].status == 503
    call.terminate()
    wire.receive(wire.answer(wire.one(), 200))
    assert ask(wire, 3, "INVITE", headers=routes) == []  # somebody may answer it
    assert wire.core.counts()["dialogs"] == 1


# ---------------------------------------------------------------- dialogs


def test_more_calls_than_may_be_are_refused(wire_with):
    wire = wire_with(max_dialogs=2, retry_after=5)
    calls = []
    for number in range(2):
        calls.append(wire.invited(branch=f"z9hG4bKa{number}", call_id=f"a{number}"))
    (answer,) = ask(wire, 3, "INVITE")
    assert answer.status == 503
    assert answer["Retry-After"] == "5"
    assert wire.core.counts()["dialogs"] == 2
    assert wire.core.counts()["refused"] == 1
    calls[0].reject()
    wire.sent()
    wire.receive(wire.request("INVITE", branch="z9hG4bKlast", call_id="last"))
    assert wire.core.counts()["dialogs"] == 2


# ---------------------------------------------------------------- sizes

START = "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        (f"OPTIONS sip:{'b' * 8189}@h SIP/2.0\r\n\r\n", 414, "at most 8192 characters"),
        (f"{START}Subject: {'x' * 16_376}\r\n\r\n", 513, "lines of at most 16384 characters"),
        (f"{START}Subject: {'x' * 16_000}\r\n {'x' * 400}\r\n\r\n", 513, "of at most 16384"),
        (f"{START}{'X: y' * 1}{chr(13)}{chr(10)}" + "X: y\r\n" * 256 + "\r\n", 513, "256 header"),
        (f"{START}{('X: ' + 'y' * 10_000 + chr(13) + chr(10)) * 7}\r\n", 513, "65535 bytes"),
    ],
)
def test_sizes(text, status, says):
    with pytest.raises(ParseError, match=says) as caught:
        Message.parse(text.encode())
    assert caught.value.status == status


@pytest.mark.parametrize(
    "text",
    [
        f"OPTIONS sip:{'b' * 8186}@h SIP/2.0\r\n\r\n",
        f"{START}Subject: {'x' * 16_375}\r\nX: {'y' * 16_000}\r\n\r\n",
        f"{START}" + "X: y\r\n" * 256 + "\r\n",
    ],
)
def test_sizes_that_will_do(text):
    assert bytes(Message.parse(text.encode())) == text.encode()


def test_too_long_a_request_is_told_so(wire_with):
    wire = wire_with()
    wire.receive(wire.request("OPTIONS", f"sip:{'b' * 8200}@biloxi.com"))
    assert wire.one().status == 414
    wire.receive(wire.request("OPTIONS", headers=[f"Subject: {'x' * 17_000}"], branch="z9hG4bK2"))
    assert wire.one().status == 513
    many = "".join(f";p{number}" for number in range(300))
    wire.receive(wire.request("OPTIONS", from_=f"<sip:a@a.com>;tag=a{many}", branch="z9hG4bK3"))
    assert wire.one().status == 400


# ---------------------------------------------------------------- what the system has no more of


def caused(error):
    outer = RuntimeError("it could not be done")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (caused(OSError(errno.ENOBUFS, "No buffer space")), True),
        (caused(caused(MemoryError())), True),
        (OSError(errno.ENOENT, "No such file"), False),
        (RuntimeError("a defect"), False),
    ],
)
def test_what_there_is_none_left_of_is_no_defect(wire_with, error, short):
    """A 500 says that it is our fault, and raised out of the core, with a traceback for each."""
    wire = wire_with(retry_after=7)

    def fail(transaction):
        raise error

    wire.core.directory.receiving()[0].methods["MESSAGE"] = fail
    if not short:
        with pytest.raises(type(error)):
            ask(wire, 1, "MESSAGE")
        assert wire.one().status == 500
        return
    (answer,) = ask(wire, 1, "MESSAGE")
    assert (answer.status, answer["Retry-After"]) == (503, "7")
    assert wire.core.counts()["refused"] == 1
    assert wire.core.idle()


# ---------------------------------------------------------------- one source, and all others

STRANGER = ("10.0.0.66", 5060)


def from_stranger(wire, number, method="INVITE", remote=STRANGER, **changes):
    """Send one of a stranger's requests; return the final answers."""
    changes.setdefault("branch", f"z9hG4bKs{number}")
    changes.setdefault("call_id", f"s{number}")
    wire.receive(wire.request(method, **changes), wire.flow_by(remote=remote))
    return [message for message in wire.sent() if message.status >= 200]


def share(wire):
    return wire.core.transactions.shares.by_source["10.0.0.66", False]


def test_calls_that_a_source_does_not_acknowledge(wire_with):
    """One host sends INVITEs and nothing else: a few are calls, and others are served."""
    wire = wire_with(max_half_open=5, retry_after=7)
    wire.core.directory.receiving()[0].auto_answer = True
    answers = [from_stranger(wire, number)[0] for number in range(50)]
    assert [one.status for one in answers] == [200] * 5 + [503] * 45
    assert answers[-1]["Retry-After"] == "7"
    assert wire.core.counts()["dialogs"] == 5
    assert wire.core.counts()["server_transactions"] == 5  # a refusal keeps nothing
    assert wire.core.counts()["flood"] == wire.core.counts()["refused"] == 45
    assert ask(wire, 1, "INVITE")[-1].status == 200
    assert from_stranger(wire, 99, "OPTIONS")[0].status == 200
    wire.over()
    assert wire.core.transactions.held == 0
    assert not wire.core.transactions.shares.by_source


def test_they_are_over_in_half_a_minute(wire_with):
    """Its own address may be another's: whoever has it is told once, at that address alone."""
    wire = wire_with(max_half_open=5)
    wire.core.directory.receiving()[0].auto_answer = True
    for number in range(5):
        contact = "<sip:victim@10.0.0.77>"
        assert from_stranger(wire, number, contact=contact)[0].status == 200
    wire.pass_until(32.5)
    assert wire.core.counts()["dialogs"] == wire.core.counts()["client_transactions"] == 0
    byes = [(message, flow) for _, message, flow in wire.out if start_of(message) == "BYE"]
    assert [flow.remote for _, flow in byes] == [STRANGER] * 5
    wire.sent()
    assert from_stranger(wire, 9)[0].status == 200
    wire.over()


def start_of(message):
    return getattr(message, "method", None)


def call_from_stranger(wire, number):
    """A call of a stranger's that it acknowledges."""
    (answer,) = from_stranger(wire, number)
    assert answer.status == 200
    acknowledge(wire, answer, f"z9hG4bKack{number}")


def acknowledge(wire, answer, branch, **changes):
    ack = wire.request(
        "ACK",
        branch=branch,
        to=answer._text("to"),
        call_id=answer._text("call-id"),
        **changes,
    )
    wire.receive(ack, wire.flow_by(remote=STRANGER))


def test_a_trunk_has_as_many_calls_as_it_acknowledges(wire_with):
    wire = wire_with(max_half_open=2)
    agent = wire.core.directory.receiving()[0]
    agent.auto_answer = True
    for number in range(20):
        call_from_stranger(wire, number)
    assert wire.core.counts()["dialogs"] == 20
    agent.auto_answer = False
    for number in range(20, 40):
        assert from_stranger(wire, number) == []  # it rings
    assert share(wire).half_open == 20
    assert wire.core.counts()["flood"] == 0


def test_a_trunk_shows_that_it_is_there_by_the_ack_for_a_refusal(wire_with):
    """A trunk may begin with more calls at once than a stranger has: it loses but a few of them."""
    wire = wire_with(max_half_open=2)
    assert [from_stranger(wire, number) for number in range(2)] == [[], []]
    (refusal,) = from_stranger(wire, 2)
    assert refusal.status == 503
    acknowledge(wire, refusal, "z9hG4bKs2")
    assert [from_stranger(wire, number) for number in range(3, 5)] == [[], []]
    assert from_stranger(wire, 5)[0].status == 503


def test_a_refusal_that_another_got_proves_nothing(wire_with):
    """Whoever is refused at its own address, with a Via that names another's, and forges an ACK
    from there, shows nothing of it.
    """
    wire = wire_with(max_half_open=1)
    assert from_stranger(wire, 1) == []
    sent_by = "SIP/2.0/UDP 10.0.0.66:5060"
    own = ("10.0.0.9", 5060)
    assert from_stranger(wire, 2, remote=own) == []
    via = f"{sent_by};branch=z9hG4bKq"
    (refusal,) = from_stranger(wire, 3, remote=own, via=via)
    assert refusal.status == 503
    via = f"{sent_by};branch=z9hG4bKq;received=10.0.0.9"
    acknowledge(wire, refusal, "z9hG4bKq", via=via)
    assert share(wire).proofs == 0


def test_half_of_a_partys_calls_is_for_who_is_there(wire_with):
    """INVITEs with many forged addresses, none of which answers, take half of what it may have."""
    wire = wire_with()
    agent = wire.core.directory.receiving()[0]
    agent.auto_answer, agent.max_calls = True, 64
    call_from_stranger(wire, 0)
    for number in range(1, 40):
        (answer,) = from_stranger(wire, number, remote=(f"10.0.1.{number}", 5060))
        assert answer.status == (200 if number <= 32 else 503)
    assert wire.core.counts()["refused"] == wire.core.counts()["flood"] == 7
    call_from_stranger(wire, 41)
    secure = wire.flow_by(transport="TLS", remote=("10.0.2.1", 5061))
    wire.receive(wire.request("INVITE", branch="z9hG4bKtls", call_id="tls"), secure)
    assert wire.sent()[-1].status == 200


@pytest.mark.parametrize(
    "changes", [{"number": 2}, {"from_": "<sip:alice@atlanta.com>;tag=other"}, {"branch": "other"}]
)
def test_who_guesses_a_refusal_shows_nothing(wire_with, changes):
    wire = wire_with(max_half_open=1)
    assert from_stranger(wire, 0) == []
    (refusal,) = from_stranger(wire, 1)
    changes = {"branch": "z9hG4bKs1", **changes}
    acknowledge(wire, refusal, **changes)
    assert share(wire).proofs == 0
    assert from_stranger(wire, 2)[0].status == 503
    acknowledge(wire, refusal, "z9hG4bKs1")
    assert share(wire).proofs == 1


def test_calls_that_are_not_acknowledged_take_the_trust_away(wire_with):
    wire = wire_with(max_half_open=2)
    wire.core.directory.receiving()[0].auto_answer = True
    for number in range(4):
        call_from_stranger(wire, number)
    assert share(wire).proofs == 4
    for number in range(10, 13):
        assert from_stranger(wire, number)[0].status == 200
    wire.pass_until(33)
    assert share(wire).proofs == 0


class Admitting:
    """Takes everybody for alice."""

    def admit(self, transaction, serve):
        transaction.authenticated = "alice"
        serve(transaction)


def test_calls_of_who_has_proved_who_he_is_are_not_strangers(wire_with):
    wire = wire_with(max_half_open=1)
    for number in range(3):
        wire.core.directory.receiving()[0]._admission = Admitting()
        assert from_stranger(wire, number) == []
    assert share(wire).half_open == 0


def test_a_cancel_of_a_flooder_gets_through(wire_with):
    """What ends calls is served."""
    wire = wire_with(max_half_open=2)
    for number in range(2):
        assert from_stranger(wire, number) == []
    assert from_stranger(wire, 9)[0].status == 503
    statuses = [one.status for one in from_stranger(wire, 1, "CANCEL")]
    assert sorted(statuses) == [200, 487]
    assert share(wire).half_open == 1


def test_a_source_has_a_share_of_the_requests(wire_with):
    wire = wire_with(max_transactions=8, max_share=50)
    assert [from_stranger(wire, n, "OPTIONS")[0].status for n in range(6)] == [200] * 4 + [503] * 2
    assert wire.core.counts()["flood"] == 2
    assert [ask(wire, number)[0].status for number in range(4)] == [200] * 4
    assert ask(wire, 4)[0].status == 503  # now it is full for all
    wire.over()
    assert not wire.core.transactions.shares.by_source


def test_a_source_has_a_share_of_the_bytes(wire_with):
    wire = wire_with(max_held=40_000, max_share=50)
    wire.core.directory.receiving()[0].handle_method("MESSAGE")
    body = {"body": b"x" * 7000, "kind": "text/plain"}
    answers = [from_stranger(wire, number, "MESSAGE", **body) for number in range(3)]
    assert [one[0].status if one else None for one in answers] == [None, None, 503]
    assert ask(wire, 1, "MESSAGE", **body) == []


def test_a_source_has_a_share_of_the_calls(wire_with):
    wire = wire_with(max_dialogs=4, max_share=50)
    assert [from_stranger(wire, number) for number in range(2)] == [[], []]
    assert from_stranger(wire, 2)[0].status == 503
    assert wire.core.counts()["flood"] == 1
    assert wire.core.counts()["server_transactions"] == 2
    wire.invited()
    assert wire.core.counts()["dialogs"] == 3


def other_source(number):
    return (f"10.0.3.{number}", 5060)


@pytest.mark.parametrize("limit", [{"max_transactions": 4}, {"max_held": 40_000}])
def test_what_all_sources_have_in_all(wire_with, limit):
    """Either limit is enough, where no source has reached its own share of it."""
    wire = wire_with(max_share=50, **limit)
    wire.core.directory.receiving()[0].handle_method("MESSAGE")
    body = {"body": b"x" * 9000, "kind": "text/plain"} if "max_held" in limit else {}
    taken = [from_stranger(wire, n, "MESSAGE", other_source(n), **body) for n in range(6)]
    statuses = [one[0].status if one else None for one in taken]
    most = 4 if "max_transactions" in limit else statuses.index(503)
    assert statuses == [None] * most + [503] * (6 - most)
    assert wire.core.counts()["flood"] == 0


def calls_up(wire, count):
    """Take calls from as many sources; return our answers, when their transactions are over."""
    answers = []
    for number in range(count):
        (answer,) = from_stranger(wire, number, remote=other_source(number))
        ack = wire.request("ACK", to=answer._text("to"), call_id=f"s{number}")
        wire.receive(ack, wire.flow_by(remote=other_source(number)))
        wire.pass_until(wire.now + 33)
        answers.append(answer)
    wire.sent()
    return answers


def options_in_calls(wire, answers, each):
    """Send requests inside of calls, one call after the other; return the statuses."""
    statuses = []
    for number, answer in enumerate(answers):
        flow = wire.flow_by(remote=other_source(number))
        for nth in range(each):
            branch = f"z9hG4bKin{number}.{nth}"
            wire.receive(wire.within(answer, "OPTIONS", 2 + nth, branch=branch), flow)
            statuses.append(wire.one().status)
    return statuses


def test_inside_of_calls_a_source_has_twice_its_share(wire_with):
    wire = wire_with(max_transactions=4, max_share=50)
    wire.core.directory.receiving()[0].auto_answer = True
    answers = calls_up(wire, 1)
    assert options_in_calls(wire, answers, 6) == [200] * 4 + [503] * 2
    assert wire.core.counts()["flood"] == 2


def test_inside_of_calls_all_sources_have_twice_what_there_is(wire_with):
    wire = wire_with(max_transactions=2, max_share=50)
    wire.core.directory.receiving()[0].auto_answer = True
    answers = calls_up(wire, 6)
    assert options_in_calls(wire, answers, 1) == [200] * 4 + [503] * 2
    assert wire.core.counts()["flood"] == 0


def by_connection(wire, number):
    """Send an INVITE by a connection from the stranger's address; return the final answers."""
    via = f"SIP/2.0/TCP 10.0.0.66;branch=z9hG4bKt{number}"
    request = wire.request("INVITE", via=via, branch=f"z9hG4bKt{number}", call_id=f"t{number}")
    wire.receive(request, wire.flow_by(transport="TCP", remote=STRANGER))
    return [message for message in wire.sent() if message.status >= 200]


def test_forged_datagrams_take_no_room_from_connections_of_the_same_host(wire_with):
    """Somebody forges the address of a trunk that calls by TCP: its calls get through."""
    wire = wire_with(max_half_open=2, max_dialogs=8, max_share=50)
    for number in range(9):
        from_stranger(wire, number)
    assert from_stranger(wire, 10)[0].status == 503
    assert [by_connection(wire, number) for number in range(2)] == [[], []]
    assert by_connection(wire, 2)[0].status == 503


def test_forged_calls_take_no_trust_from_connections_of_the_same_host(wire_with):
    wire = wire_with(max_half_open=2)
    agent = wire.core.directory.receiving()[0]
    agent.auto_answer = True
    (answer,) = by_connection(wire, 0)
    ack = wire.request("ACK", branch="z9hG4bKa", to=answer._text("to"), call_id="t0")
    wire.receive(ack, wire.flow_by(transport="TCP", remote=STRANGER))
    shares = wire.core.transactions.shares.by_source
    assert shares["10.0.0.66", True].proofs == 1
    for number in range(2):
        from_stranger(wire, number)
    wire.pass_until(33)
    assert shares["10.0.0.66", True].proofs == 1
    assert wire.core.counts()["dialogs"] == 1


def test_the_addresses_of_one_ipv6_network_are_one_source(wire_with):
    wire = wire_with(max_half_open=2)
    for number in range(4):
        from_stranger(wire, number, remote=(f"2001:db8::{number}", 5060))
    assert wire.core.counts()["dialogs"] == 2
    assert from_stranger(wire, 9, remote=("2001:db8:0:1::9", 5060)) == []


def test_what_is_in_a_call_has_room_beyond_the_share(wire_with):
    wire = wire_with(max_transactions=8, max_share=50)
    call = wire.invited()
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    assert [ask(wire, n)[0].status for n in range(2, 6)] == [200, 200, 200, 503]
    for number in range(2, 6):
        wire.receive(wire.within(answer, "OPTIONS", number))
    assert [one.status for one in wire.sent()] == [200] * 4
    wire.receive(wire.within(answer, "OPTIONS", 7))
    assert wire.one().status == 503


# ---------------------------------------------------------------- what calls leave behind


def census():
    """How many objects of ours there are, by kind."""
    gc.collect()
    return Counter(
        type(one).__qualname__
        for one in gc.get_objects()
        if str(getattr(type(one), "__module__", "")).startswith("sipparty.sip.")
    )


def test_calls_leave_nothing_behind(wire_with):
    """Of whatever sources, however they end: a party that serves for years keeps its size."""
    wire = wire_with()
    agent = wire.core.directory.receiving()[0]
    found = []
    for batch in range(3):
        for number in range(batch * 100, batch * 100 + 100):
            remote = (f"10.1.{number % 7}.{number % 11}", 5060 + number)
            agent.auto_answer = number % 3 > 0
            names = {"branch": f"z9hG4bKc{number}", "call_id": f"leave{number}"}
            flow = wire.flow_by(remote=remote)
            wire.receive(wire.request("INVITE", from_=f"<sip:a@a.b>;tag={number}", **names), flow)
            answers = wire.sent()
            if number % 3 == 0:
                wire.receive(wire.request("CANCEL", from_=f"<sip:a@a.b>;tag={number}", **names))
            elif number % 3 == 1:
                to = answers[-1]._text("to")
                more = {"to": to, "call_id": names["call_id"], "from_": f"<sip:a@a.b>;tag={number}"}
                wire.receive(wire.request("ACK", branch=f"z9hG4bKa{number}", **more), flow)
                bye = wire.request("BYE", branch=f"z9hG4bKb{number}", number=2, **more)
                wire.receive(bye, flow)
            wire.sent()
        wire.over()
        wire.happened.clear()
        wire.out.clear()
        assert wire.core.transactions.held == 0
        assert not wire.core.transactions.shares.by_source
        assert not wire.flow.dependents
        assert not wire.core.user_agents._merged
        found.append(census())
    assert found[1] == found[2]

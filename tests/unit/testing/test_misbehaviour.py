"""What a tester has a user agent do that it would not do, and what comes of it."""

import pytest

from sipparty.errors import ParseError, UsageError
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Message, NextHop, Request, Response, SimpleCall
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.testing import (
    DROP,
    answer_nothing,
    is_request,
    repeat,
    send_raw,
    shift_cseq,
    tamper,
    withhold_ack,
    write_tags,
)

from ...conftest import LOOPBACK, PATIENCE
from ..sip.conftest import Pair


@pytest.fixture
def pair():
    return Pair()


def sent(pair, who, what):
    """The messages of a kind that somebody has sent."""
    host = {"alice": "10.0.0.1", "bob": "10.0.0.2"}[who]
    messages = [Message.parse(one.data) for one in pair.network.log if one.source[0] == host]
    return [
        one for one in messages if what == (one.method if isinstance(one, Request) else one.status)
    ]


def finish(pair, call):
    call.terminate()
    pair.quiet()


# ---------------------------------------------------------------- tampering


def test_a_message_is_changed(pair):
    mine, _ = pair.established()

    def change(message):
        if is_request(message, "BYE"):
            message["X-Odd"] = "yes"

    with tamper(mine, change) as tampering:
        finish(pair, mine)
    assert sent(pair, "alice", "BYE")[0]["X-Odd"] == "yes"
    assert tampering.seen == 1
    assert "transmits" not in vars(pair.alice.core)


def test_one_side_of_a_call_is_not_the_other(pair):
    mine, its = pair.established()
    seen = []
    with tamper(its, lambda message: seen.append(message)):
        finish(pair, mine)
    assert [type(one) for one in seen] == [Response]
    assert seen[0].status == 200


def test_a_message_is_dropped_once(pair):
    mine, _ = pair.established()
    left = [1]

    def drop(message):
        if is_request(message, "BYE") and left:
            left.pop()
            return DROP
        return None

    with tamper(mine, drop):
        finish(pair, mine)
    assert mine.state == "Terminated"
    assert pair.count("BYE") == 1


def test_a_message_is_held_back(pair):
    mine, _ = pair.established()
    begin = pair.network.clock.now

    def delay(message):
        return (0.3, message) if is_request(message, "BYE") else None

    with tamper(mine, delay) as tampering:
        mine.terminate()
        pair.run(lambda: mine.state == "Terminated")
        assert tampering.seen == 1  # what was held back is not looked at again
    times = [time for time, who, what in pair.said() if what == "BYE"]
    assert times == [round(begin * 100) + 30]
    pair.quiet()


@pytest.mark.parametrize(
    ("instead", "count"),
    [
        (lambda bye: [bye, bye], 2),
        (lambda bye: [bye, DROP, (0.1, bye)], 2),
        (lambda bye: bytes(bye), 1),
        (lambda bye: [[bye], [bye, [bye]]], 3),
    ],
)
def test_several_are_sent_in_the_place_of_one(pair, instead, count):
    mine, _ = pair.established()
    with tamper(mine, lambda one: instead(one) if is_request(one, "BYE") else None):
        finish(pair, mine)
    assert pair.count("BYE", "alice") == count
    assert pair.count(200, "bob") == count + 1


def test_several_tamperings_end_in_any_order(pair):
    mine, its = pair.established()

    def mark(name):
        def write(message):
            message[name] = "yes"

        return write

    first, second = tamper(mine, mark("X-One")), tamper(pair.alice, mark("X-Two"))
    mine.send("DANCE")
    pair.run()
    first.stop()
    mine.send("DANCE")
    pair.run()
    first.stop()
    second.stop()
    mine.send("DANCE")
    pair.run()
    dances = sent(pair, "alice", "DANCE")
    assert [("X-One" in one, "X-Two" in one) for one in dances] == [
        (True, True),
        (False, True),
        (False, False),
    ]
    finish(pair, its)


def test_those_of_one_user_agent(pair):
    seen = []
    with tamper(pair.bob, lambda message: seen.append(message)):
        mine, _ = pair.established()
        finish(pair, mine)
    # The tag of a 100 is not there yet; it is his all the same.
    assert {one.status for one in seen} <= {100, 200}
    assert sum(one.status == 200 for one in seen) == 2


def test_all_of_a_core(pair):
    with tamper(pair.bob.core, lambda message: None) as tampering:
        mine, _ = pair.established()
        finish(pair, mine)
    assert tampering.seen == sum(1 for _, who, _ in pair.said() if who == "bob")


def test_what_cannot_be_tampered_with():
    with pytest.raises(TypeError, match="a call, a party, a user agent, an engine or a core"):
        tamper("alice", lambda message: None)
    with pytest.raises(UsageError, match="neither listened nor called"):
        tamper(NoMediaSimpleCallsParty("alice@atlanta.com"), lambda message: None)


def test_what_a_function_raises_is_raised_at_the_end(pair):
    mine, _ = pair.established()
    with pytest.raises(ZeroDivisionError), tamper(mine, lambda message: 1 / 0):
        finish(pair, mine)
    assert mine.state == "Terminated"


def test_a_call_without_a_dialog_sends_nothing(pair):
    other = SimpleCall(pair.alice)
    with tamper(other, lambda message: DROP) as tampering:
        mine, _ = pair.established()
        finish(pair, mine)
    assert tampering.seen == 0


# ---------------------------------------------------------------- what testers do


def test_an_ack_is_withheld(pair):
    mine = pair.call()
    with withhold_ack(mine):
        pair.run(lambda: pair.bob.dialogs)
        (its,) = pair.bob.dialogs
        its.accept()
        pair.run()
    assert pair.count("ACK") == 0
    assert pair.count(200, "bob") > 5
    assert its.last_error.status == 408
    pair.quiet()


@pytest.mark.parametrize("requests", [1, 2])
def test_requests_are_answered_with_silence(pair, requests):
    with answer_nothing(pair.bob, requests):
        exchanges = []
        for _ in range(3):
            request = Request("OPTIONS", "sip:bob@biloxi.com")
            exchanges.append(send_out_of_dialog(pair.alice, request, NextHop("10.0.0.2", 5060)))
        pair.run()
    states = sorted(one.state for one in exchanges)
    assert states == sorted(["Failed"] * requests + ["Answered"] * (3 - requests))
    pair.quiet()


@pytest.mark.parametrize(("by", "status"), [(-2, 500), (10, 200)])
def test_a_wrong_cseq(pair, by, status):
    mine, its = pair.established()
    with shift_cseq(mine, by, "OPTIONS"):
        exchange = mine.send("OPTIONS")
        pair.run(lambda: exchange.response)
    assert exchange.response.status == status
    finish(pair, its)


@pytest.mark.parametrize("tags", [{"from_tag": "odd"}, {"to_tag": "odd"}])
def test_wrong_tags(pair, tags):
    mine, its = pair.established()
    with write_tags(mine, "OPTIONS", **tags):
        exchange = mine.send("OPTIONS")
        pair.run(lambda: exchange.response)
    assert exchange.response.status == 481
    request = sent(pair, "alice", "OPTIONS")[0]
    assert (request.from_.tag == "odd") is ("from_tag" in tags)
    assert (request.to.tag == "odd") is ("to_tag" in tags)
    pair.quiet()  # a 481 says that there is no such call
    assert (mine.last_error.status, its.state) == (481, "Terminated")


def test_a_request_is_repeated(pair):
    mine, its = pair.established()
    exchange = mine.send("OPTIONS")
    pair.run(lambda: exchange.response)
    repeat(exchange, 3)
    pair.run()
    assert pair.count("OPTIONS", "alice") == 4
    assert len({bytes(one) for one in sent(pair, "alice", "OPTIONS")}) == 1
    assert pair.count(200, "bob") == 1 + 4
    finish(pair, its)


def test_what_cannot_be_repeated(pair):
    mine, its = pair.established()
    with pytest.raises(UsageError, match="nothing to repeat"):
        repeat(mine._invite.request)
    finish(pair, its)


def test_bytes_are_sent_as_they_are(pair):
    send_raw(pair.alice, b"INVITE sip:bob SIP/2.0\r\n\r\n", "10.0.0.2:5060")
    pair.run()
    assert pair.network.log[0].data == b"INVITE sip:bob SIP/2.0\r\n\r\n"
    send_raw(pair.alice, Request("DANCE", "sip:bob@biloxi.com"), "sip:10.0.0.2")
    pair.run()
    assert pair.network.log[-1].data.startswith(b"DANCE sip:bob@biloxi.com SIP/2.0\r\n")
    send_raw(pair.alice, b"x", "sip:192.0.2.1")
    pair.quiet()
    with pytest.raises(ParseError):
        send_raw(pair.alice, b"x", "a b")


def test_what_is_sent_raw_passes_by(pair):
    with tamper(pair.alice, lambda message: DROP) as tampering:
        send_raw(pair.alice, b"no message at all", "10.0.0.2")
        pair.run()
    assert tampering.seen == 0
    assert pair.network.log[0].data == b"no message at all"


# ---------------------------------------------------------------- parties and engines


def test_a_party(make_party):
    alice = make_party("alice@atlanta.com")
    bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK)

    def write(message):
        if isinstance(message, Response):
            message["X-Odd"] = "yes"

    with tamper(bob, write):
        assert alice.options(bob).wait(PATIENCE)["X-Odd"] == "yes"
    assert "X-Odd" not in alice.options(bob).wait(PATIENCE)
    with tamper(bob.engine, write):
        assert alice.options(bob).wait(PATIENCE)["X-Odd"] == "yes"


def test_each_side_of_a_call_on_one_engine(make_party):
    alice = make_party("alice@atlanta.com")
    bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK)
    carol = make_party("carol@biloxi.com").listen(None, address=LOOPBACK)
    call = alice.invite(bob).wait(PATIENCE)
    [theirs] = bob.calls
    seen = {"alice": [], "bob": [], "carol": []}

    def note(name):
        return lambda message: seen[name].append(message)

    with tamper(call, note("alice")), tamper(theirs, note("bob")), tamper(carol, note("carol")):
        call.terminate().wait(PATIENCE)
    assert [one.method for one in seen["alice"]] == ["BYE"]
    assert [one.status for one in seen["bob"]] == [200]
    assert seen["carol"] == []


def test_one_request_is_not_answered_by_default(make_party):
    alice = make_party("alice@atlanta.com")
    bob = make_party("bob@biloxi.com").listen(None, address=LOOPBACK)
    with answer_nothing(bob):
        first, second = alice.options(bob), alice.options(bob)
        assert second.wait(PATIENCE).status == 200
        assert first.response is None
    assert first.wait(PATIENCE).status == 200


def test_a_party_sends_raw(make_party, peer):
    alice = make_party("alice@atlanta.com").listen(None, address=LOOPBACK)
    send_raw(alice, b"anything", f"{LOOPBACK}:{peer.port}")
    assert peer.socket.recv(100) == b"anything"

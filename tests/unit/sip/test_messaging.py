"""MESSAGE, ours and theirs, outside of calls and inside them (RFC 3428)."""

import pytest

from sipparty.errors import CallRejected, CallTimedOut, UnexpectedInput, UsageError
from sipparty.sip import Multipart, Part, Request
from sipparty.sip.core import FlowWanted
from sipparty.sip.messaging import MessageReceived, MessageSent, SentMessage, content_of
from sipparty.sip.routing import NextHop

ALICE = "sip:alice@10.0.0.9"


@pytest.fixture
def bob(wire):
    agent = wire.agent()
    MessageReceived.enable(agent)
    return agent


def send(agent, text="Lunch?", uri=ALICE, patience=180.0, hop=None, **given):
    fields, body = content_of(text, given.get("body", b""), given.get("content_type"))
    message = SentMessage(agent, uri, patience)
    message.send_to(Request.of("MESSAGE", uri, fields, body), hop or NextHop("10.0.0.9", 5060))
    return message


def came(wire, body=b"Lunch?", kind="text/plain", **changes):
    wire.receive(wire.request("MESSAGE", body=body, kind=kind, contact=None, **changes))
    return wire.happened[-1] if wire.happened else None


# ---------------------------------------------------------------- what is sent


def test_a_message_is_sent_and_delivered(wire, bob):
    message = send(bob)
    sent = wire.one()
    assert (sent.method, sent.uri_text, sent.body) == ("MESSAGE", ALICE, b"Lunch?")
    assert sent.media_type == "text/plain"
    assert "Contact" not in sent  # §4
    assert sent.to.tag is None
    assert message.state == "Sent"
    wire.receive(wire.answer(sent, 202, contact=None))
    assert message.wait(0) is message
    assert (message.state, message.response.status) == ("Terminated", 202)
    (event,) = wire.happened
    assert (type(event), event.message, event.error) == (MessageSent, message, None)
    assert event.topic == id(message)
    assert not bob.services
    wire.over()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Lunch?", "text/plain"), ("Frühstück?", "text/plain;charset=UTF-8")],
)
def test_a_text_says_how_it_is_written(wire, bob, text, kind):
    send(bob, text)
    sent = wire.one()
    assert (str(sent.content_type), sent.body.decode()) == (kind, text)


def test_bodies_of_other_types(wire, bob):
    send(bob, None, body=b"{}", content_type="application/json")
    assert wire.one().media_type == "application/json"
    send(bob, None, uri="sip:carol@10.0.0.9", body=Multipart([Part("text/plain", "x")]))
    assert wire.one().is_multipart
    send(bob, "<b/>", uri="sip:dave@10.0.0.9", content_type="text/html")
    assert wire.one().media_type == "text/html"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((None, b"", None), "nothing to be sent"),
        (("a", b"b", None), "a text or a body"),
        ((None, b"b", None), "type of the body is not given"),
    ],
)
def test_what_is_no_message(given, words):
    with pytest.raises(UsageError, match=words):
        content_of(*given)


def test_an_empty_text_is_a_message():
    assert content_of("", b"", None)[1] == b""


@pytest.mark.parametrize(("status", "words"), [(603, "603 Decline"), (404, "404 Not Found")])
def test_what_is_refused_raises_in_words(wire, bob, status, words):
    message = send(bob)
    wire.receive(wire.answer(wire.one(), status))
    assert message.state == "Error"
    with pytest.raises(CallRejected, match=words):
        message.wait(0)
    assert wire.happened[-1].error is message.last_error
    assert message.request.method == "MESSAGE"
    wire.over()


def test_provisional_responses_change_nothing(wire, bob):
    message = send(bob)
    sent = wire.one()
    wire.receive(wire.answer(sent, 180))
    assert message.state == "Sent"
    wire.receive(wire.answer(sent, 200))
    assert message.state == "Terminated"


def test_what_nobody_answers_ends(wire, bob):
    message = send(bob)
    wire.pass_until(33)
    with pytest.raises(CallTimedOut, match="did not answer within 32 s"):
        message.wait(0)
    wire.over()


# ---------------------------------------------------------------- one at a time


def test_messages_to_one_target_leave_one_after_the_other(wire, bob):
    first, second, other = send(bob, "1"), send(bob, "2"), send(bob, "3", "sip:carol@10.0.0.9")
    one, three = wire.sent()
    assert (one.body, three.body) == (b"1", b"3")
    assert (first.state, second.state, other.state) == ("Sent", "Waiting", "Sent")
    wire.receive(wire.answer(one, 486))
    two = wire.one()
    assert two.body == b"2"
    wire.receive(wire.answer(two, 200))
    assert (first.state, second.state) == ("Error", "Terminated")
    assert list(bob.messaging.queues) == ["sip:carol@10.0.0.9"]
    wire.over()


def test_one_that_waits_too_long_fails_and_is_not_sent(wire, bob):
    send(bob, "1")
    late, last = send(bob, "2", patience=5.0), send(bob, "3")
    wire.sent()
    wire.pass_until(6)
    assert late.state == "Error"
    with pytest.raises(CallTimedOut, match="was not sent within 5 s"):
        late.wait(0)
    wire.pass_until(33)
    assert {sent.body for sent in wire.sent()} == {b"1", b"3"}
    assert last.state == "Sent"
    wire.over()
    assert not bob.messaging.queues


def test_only_so_many_wait(wire, bob):
    for number in range(SentMessage.MAX_WAITING):
        send(bob, str(number))
    with pytest.raises(UsageError, match="64 messages wait"):
        send(bob)
    assert len(bob.services) == 64


def test_one_that_waits_is_withdrawn_when_its_party_closes(wire, bob):
    first, second = send(bob, "1"), send(bob, "2")
    first.hit("terminate")
    assert first.state == "Sent"
    second.hit("terminate")
    assert second.state == "Error"
    assert "withdrawn" in str(second.last_error)
    wire.receive(wire.answer(wire.one(), 200))
    assert wire.starts() == []
    wire.over()


# ---------------------------------------------------------------- large ones (§8)


def test_a_large_one_goes_by_tcp(wire, bob):
    wire.hold_flows = True
    send(bob, "x" * 1400)
    wire.pump()
    (wanted,) = wire.wanted
    wire.give_flow(wanted)
    wire.pump()
    assert wire.out == []
    again = wire.wanted[1]
    assert isinstance(again, FlowWanted)
    assert again.reliable


@pytest.mark.parametrize("size", [100, 1400])
def test_a_large_one_never_goes_by_udp(wire, bob, size):
    message = send(bob, "x" * size, hop=NextHop("10.0.0.9", 5060, "UDP"))
    if size == 100:
        assert wire.starts() == ["MESSAGE"]
    else:
        assert wire.starts() == []
        assert message.state == "Error"
        assert "more than a MESSAGE by UDP may have" in str(message.last_error)
        wire.over()


def test_one_that_cannot_be_sent_lets_the_next_go(wire, bob):
    udp = NextHop("10.0.0.9", 5060, "UDP")
    send(bob, "1")
    failing, last = send(bob, "x" * 1400, hop=udp), send(bob, "3")
    wire.receive(wire.answer(wire.one(), 200))
    assert wire.one().body == b"3"
    assert (failing.state, last.state) == ("Error", "Sent")


# ---------------------------------------------------------------- what comes


def test_a_message_comes(wire, bob):
    event = came(wire)
    assert isinstance(event, MessageReceived)
    assert (event.text, event.body, event.content_type) == ("Lunch?", b"Lunch?", "text/plain")
    assert event.sender.uri_text == "sip:alice@atlanta.com"
    assert event.call is None
    event.respond()
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"")
    assert "Contact" not in answer  # §7
    wire.receive(wire.request("MESSAGE", body=b"Lunch?", kind="text/plain", contact=None))
    assert bytes(wire.one()) == bytes(answer)
    assert wire.kinds() == [MessageReceived]
    assert wire.core.counts()["dialogs"] == 0
    wire.over()


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("Grüße".encode(), "text/plain", "Grüße"),
        ("Grüße".encode("latin-1"), "text/plain;charset=ISO-8859-1", "Grüße"),
        (b"hi", "text/plain;charset=klingon", "hi"),
        # Codecs of Python's that are no charsets: some raise, some are slow.
        (b"\xffhi", "text/plain;charset=idna", "\ufffdhi"),
        (b"hi-", "text/plain;charset=punycode", "hi-"),
        (b"hi", "text/plain;charset=undefined", "hi"),
        (b"hi", 'text/plain;charset="\\\0"', "hi"),
        (b"\xff", "text/plain", "\ufffd"),
        (b"hi", None, "hi"),
        (b"From: x\r\n\r\nhi", "message/cpim", ""),
    ],
)
def test_the_text_of_a_message(wire, bob, body, kind, text):
    event = came(wire, body, kind)
    assert event.text == text
    assert event.body == body


def test_the_text_of_a_multipart(wire, bob):
    parts = Multipart([Part("text/plain", "Lunch?")])
    bob.message_types = ("text/*",)
    event = came(wire, bytes(parts), str(parts.content_type))
    assert event.text == "Lunch?"


def test_a_multipart_without_a_text(wire, bob):
    parts = Multipart([Part("message/cpim", "x")])
    assert came(wire, bytes(parts), str(parts.content_type)).text == ""


@pytest.mark.parametrize(
    ("types", "kind", "status"),
    [
        (("text/plain",), "text/html", 415),
        (("text/plain",), "application/json", 415),
        (("text/*",), "text/html", None),
        (("text/*",), "application/json", 415),
        (("*/*",), "application/json", None),
    ],
)
def test_what_is_not_accepted_is_refused_with_what_is(wire, bob, types, kind, status):
    bob.message_types = types
    event = came(wire, b"x", kind)
    if status is None:
        assert event.content_type == kind
    else:
        assert event is None
        refusal = wire.one()
        assert refusal.status == status
        assert refusal.lines("Accept")[0].startswith(types[0])
        assert "multipart/mixed" in refusal.lines("Accept")[0]
        assert refusal["Accept-Encoding"]


def test_refusing(wire, bob):
    event = came(wire)
    for status in (200, 299, 700):
        with pytest.raises(UsageError, match="expected 300 to 699"):
            event.reject(status)
    event.reject(486, "Not now")
    assert (wire.one().status, event.incoming.transaction.answered) == (486, True)
    with pytest.raises(UnexpectedInput):
        event.reject()


@pytest.mark.parametrize("status", [300, 699])
def test_all_that_refuses(wire, bob, status):
    came(wire).reject(status)
    assert wire.starts() == [status]


def test_a_refusal_is_a_decline_by_default(wire, bob):
    came(wire).reject()
    assert wire.starts() == [603]


@pytest.mark.parametrize(
    ("headers", "now", "expired"),
    [
        (["Expires: 10", "Date: Thu, 01 Jan 1970 00:01:40 GMT"], 109.0, False),
        (["Expires: 10", "Date: Thu, 01 Jan 1970 00:01:40 GMT"], 110.0, True),
        (["Expires: 0", "Date: Thu, 01 Jan 1970 00:01:40 GMT"], 100.0, True),
        (["Expires: 10"], 1e9, False),
        (["Date: Thu, 01 Jan 1970 00:01:40 GMT"], 1e9, False),
    ],
)
def test_how_long_a_message_counts(wire, bob, headers, now, expired):
    assert came(wire, headers=headers).is_expired(now) is expired


def test_nobody_takes_messages_who_does_not_say_so(wire):
    wire.agent()
    assert came(wire) is None
    refusal = wire.one()
    assert refusal.status == 405
    assert "MESSAGE" not in refusal.allow


def test_allow_says_so(wire, bob):
    wire.receive(wire.request("OPTIONS"))
    assert "MESSAGE" in wire.one().allow


# ---------------------------------------------------------------- inside a call


def test_messages_inside_a_call(pair):
    MessageReceived.enable(pair.bob)
    mine, its = pair.established()
    first, second = mine.message("1"), mine.message("2")
    pair.run(lambda: type(pair.bob_events[-1]) is MessageReceived)
    assert (first.state, second.state) == ("Sent", "Waiting")
    event = pair.bob_events[-1]
    assert (event.text, event.call, event.topic) == ("1", its, id(its))
    event.respond()
    pair.run(lambda: pair.bob_events[-1].request.body == b"2")
    pair.bob_events[-1].respond()
    pair.run(lambda: second.state == "Terminated")
    assert not pair.alice.services
    mine.terminate()
    pair.quiet()


def test_a_message_that_is_refused_leaves_the_call(pair):
    mine, its = pair.established()
    message = mine.message("x")
    pair.run(lambda: message.state == "Error")
    assert message.response.status == 405
    assert mine.state == its.state == "InDialog"
    mine.terminate()
    pair.quiet()


def test_a_message_that_waits_in_a_call_that_ends(pair):
    MessageReceived.enable(pair.bob)
    mine, _ = pair.established()
    first, second = mine.message("1"), mine.message("2")
    pair.run(lambda: type(pair.bob_events[-1]) is MessageReceived)
    mine.terminate()
    pair.run(lambda: second.state == "Error")
    assert first.state == second.state == "Error"
    pair.quiet()


def test_no_message_without_a_dialog(pair):
    mine = pair.call()
    with pytest.raises(UnexpectedInput):
        mine.message("x")
    with pytest.raises(UsageError, match="nothing to be sent"):
        mine.message()
    mine.terminate()
    pair.quiet()


def test_a_message_that_waits_for_its_server_is_over_with_its_party(wire, bob):
    bob.retry_wait = 300
    message, next_one = send(bob), send(bob, "Dinner?")
    first = wire.one()
    message.hit("terminate")
    assert message.state == "Sent"  # its answer is yet to come
    wire.receive(wire.answer(first, 503, contact=None, headers=[("Retry-After", "200")]))
    assert message.state == "Sent"
    next_one.hit("terminate")
    message.hit("terminate")
    assert (message.state, next_one.state) == ("Error", "Error")
    assert not bob.services
    wire.pass_until(6)  # timer K
    assert wire.core.idle()
    assert wire.sent() == []

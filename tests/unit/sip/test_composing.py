"""Who is writing a message (RFC 3994)."""

import pytest

from sipparty.errors import CallFailed, ParseError, UnexpectedInput
from sipparty.sip import Request
from sipparty.sip.composing import (
    MAX_WRITERS,
    ComposingChanged,
    ComposingEnded,
    notify_composing,
    read_status,
    write_status,
)
from sipparty.sip.messaging import COMPOSING, MessageReceived, SentMessage, content_of
from sipparty.sip.routing import NextHop

ALICE = "sip:alice@10.0.0.9"


@pytest.fixture
def bob(wire):
    return wire.agent()


@pytest.fixture
def listener(wire):
    agent = wire.agent()
    ComposingChanged.enable(agent)
    return agent


def send(agent, text, when_over=None, kind=None, uri=ALICE):
    fields, body = content_of(None, text, kind or "text/plain")
    message = SentMessage(agent, uri, when_over=when_over)
    message.send_to(Request.of("MESSAGE", uri, fields, body), NextHop("10.0.0.9", 5060))


def press(agent, uri=ALICE):
    def notice(document, when_over):
        send(agent, document, when_over, COMPOSING, uri)

    return notify_composing(agent, uri, notice)


def answered(wire, status=200):
    """The notices sent, as whether they say active; each is answered."""
    statuses = []
    for sent in wire.sent():
        assert sent.media_type == COMPOSING
        statuses.append(read_status(sent.body)[0])
        wire.receive(wire.answer(sent, status))
    return statuses


# ---------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ((True, "text/plain", 90), (True, "text/plain", 90)),
        ((True,), (True, "", 120)),
        ((False,), (False, "", 120)),
        ((True, "", 30), (True, "", 60)),  # 60 is the least
        ((True, "", 99999), (True, "", 3600)),
    ],
)
def test_a_document_says_what_was_written(given, read):
    assert read_status(write_status(*given)) == read


def test_who_is_idle_does_not_say_when_they_say_so_again():
    assert b"refresh" not in write_status(False, "text/plain", 90)
    assert b"refresh" not in write_status(True, "text/plain")


def test_a_time_without_end_is_none():
    document = write_status(True, "", 99999).replace(b"99999", b"100000")
    assert read_status(document) == (True, "", 120)


def test_a_document_of_somebody_else():
    document = b"""<?xml version="1.0" encoding="UTF-8"?>
        <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"
            xmlns:x="urn:x"><state>active</state><lastactive>2003-01-27T10:43:00Z</lastactive>
            <contenttype> text/plain </contenttype><refresh>soon</refresh><x:mood>fine</x:mood>
        </isComposing>"""
    assert read_status(document) == (True, "text/plain", 120)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "well-formed"),
        (b"<isComposing/>", "an isComposing element"),
        (b"<isComposing><state>active</state></isComposing>", "an isComposing element"),
        (b'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"/>', "with a state"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "well-formed"),
        ("<!DOCTYPE a><a/>".encode("utf-16"), "well-formed"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "well-formed"),
        (b"\x00\xff", "well-formed"),
        (b" " * 9000, "at most 8192 bytes"),
    ],
)
def test_what_is_no_document(document, words):
    with pytest.raises(ParseError, match=words):
        read_status(document)


# ---------------------------------------------------------------- ours


def test_keys_make_one_notice_and_their_end_another(wire, bob):
    writing = press(bob)
    assert answered(wire) == [True]
    for second in range(1, 6):
        wire.pass_until(float(second * 5))
        assert press(bob) is writing
    assert wire.sent() == []
    wire.pass_until(39.9)
    assert (wire.sent(), writing.state) == ([], "Active")
    assert not writing.settled(writing.state)
    wire.pass_until(40.1)  # 15 s after the last key
    assert answered(wire) == [False]
    assert writing.state == "Terminated"
    (event,) = wire.happened
    assert (type(event), event.composing, event.error) == (ComposingEnded, writing, None)
    assert event.topic == id(writing)
    assert not bob.services
    assert not bob.messaging.composing
    wire.over()


def test_the_last_key_counts(wire, bob):
    writing = press(bob)
    assert answered(wire) == [True]
    wire.pass_until(0.5)
    press(bob)
    wire.pass_until(15.4)
    assert writing.state == "Active"
    wire.pass_until(15.6)
    assert writing.state == "Terminated"


def test_who_writes_for_long_is_notified_again(wire, bob):
    press(bob)
    assert answered(wire) == [True]
    at = []
    for second in range(1, 250):
        wire.pass_until(float(second))
        press(bob)
        at += [second] * len(answered(wire))
    assert at == [120, 240]


def test_the_message_itself_ends_it(wire, bob):
    writing = press(bob)
    assert answered(wire) == [True]
    send(bob, "Lunch?")
    assert writing.state == "Terminated"
    assert wire.one().body == b"Lunch?"
    wire.over()


def test_stopping(wire, bob):
    writing = press(bob)
    assert answered(wire) == [True]
    assert writing.stop() is writing
    assert answered(wire) == [False]
    writing.stop()
    assert wire.sent() == []
    again = press(bob)
    assert again is not writing
    assert answered(wire) == [True]
    again.hit("terminate")
    assert answered(wire) == [False]
    wire.over()


def test_who_refuses_a_notice_gets_no_more(wire, bob):
    writing = press(bob)
    assert answered(wire, 415) == [True]
    assert writing.state == "Error"
    assert writing.last_error.status == 415
    assert press(bob) is writing
    wire.pass_until(200)
    assert wire.sent() == []
    assert press(bob, "sip:carol@10.0.0.9") is not writing
    assert answered(wire) == [True]
    wire.over()


def test_those_who_refuse_are_not_remembered_without_end(wire, bob):
    for number in range(MAX_WRITERS + 1):
        press(bob, f"sip:{number}@10.0.0.9")
        answered(wire, 415)
    assert len(bob.messaging.composing) == 1
    wire.over()


def test_a_notice_that_cannot_be_sent_ends_it(wire, bob):
    def fail(document, when_over):
        raise ParseError("x", "something else")

    writing = notify_composing(bob, ALICE, fail)
    assert writing.state == "Error"
    assert "could not be sent" in str(writing.last_error)


# ---------------------------------------------------------------- theirs


def came(wire, active=True, number=1, body=None, refresh=None, kind=COMPOSING, **changes):
    body = write_status(active, "text/plain", refresh) if body is None else body
    branch = f"z9hG4bK{number}"
    wire.receive(
        wire.request(
            "MESSAGE", body=body, kind=kind, number=number, branch=branch, contact=None, **changes
        )
    )
    return [status for status in wire.starts() if status != 200]


def changes(wire):
    return [event.active for event in wire.happened if type(event) is ComposingChanged]


def test_somebody_writes_and_stops(wire, listener):
    assert came(wire) == []
    (event,) = wire.happened
    assert event.active
    assert event.sender.uri_text == event.topic == "sip:alice@atlanta.com"
    assert (event.content_type, event.call) == ("text/plain", None)
    assert event.request.media_type == COMPOSING
    came(wire, number=2)
    came(wire, False, number=3)
    came(wire, False, number=4)
    assert changes(wire) == [True, False]
    wire.over()


@pytest.mark.parametrize(("refresh", "until"), [(None, 120), (300, 300), (5, 60)])
def test_somebody_writes_who_is_not_heard_of_again(wire, listener, refresh, until):
    came(wire, refresh=refresh)
    wire.pass_until(until - 1.0)
    assert changes(wire) == [True]
    wire.pass_until(until + 1.0)
    assert changes(wire) == [True, False]
    assert wire.happened[-1].request is None
    assert not listener.messaging.writers


def test_each_notice_counts_anew(wire, listener):
    came(wire)
    wire.pass_until(100.0)
    came(wire, number=2)
    wire.pass_until(219.0)
    assert changes(wire) == [True]
    wire.pass_until(221.0)
    assert changes(wire) == [True, False]


def test_a_message_ends_it(wire, listener):
    came(wire)
    came(wire, number=2, body=b"Lunch?", kind="text/plain")
    assert [type(event) for event in wire.happened] == [ComposingChanged] * 2 + [MessageReceived]
    assert changes(wire) == [True, False]
    wire.happened[-1].respond()
    assert not listener.messaging.writers
    wire.over()


@pytest.mark.parametrize("given_up", [False, True])
def test_who_writes_is_forgotten_with_the_party(wire, listener, given_up):
    came(wire, refresh=3600)
    (writer,) = listener.services
    if given_up:
        writer.give_up(CallFailed("The engine was closed."))
    else:
        writer.hit("terminate")
    wire.pump()
    assert changes(wire) == [True, False]
    assert wire.happened[-1].request is None
    assert not listener.services
    assert not listener.messaging.writers
    wire.pass_until(35)  # timer J
    assert wire.core.idle()


def test_two_who_write(wire, listener):
    came(wire)
    came(wire, number=2, from_="<sip:carol@atlanta.com>;tag=c")
    came(wire, False, number=3)
    assert changes(wire) == [True, True, False]
    assert wire.happened[-1].sender.username == "alice"


def test_only_so_many_are_known_to_write(wire, listener):
    for number in range(1, MAX_WRITERS + 10):
        assert came(wire, number=number, from_=f"<sip:{number}@atlanta.com>;tag=t") == []
    assert len(listener.messaging.writers) == MAX_WRITERS
    wire.over()


def test_what_is_no_notice_is_refused(wire, listener):
    assert came(wire, body=b"<a/>") == [400]
    assert came(wire, body=b" " * 9000, number=2) == [413]
    assert wire.happened == []


def test_who_does_not_want_to_know_refuses_notices(wire):
    agent = wire.agent()
    MessageReceived.enable(agent)
    assert came(wire) == [415]
    ComposingChanged.enable(agent)
    assert came(wire, number=2) == []
    assert came(wire, number=3, body=b"x", kind="x/y") == [415]


def test_a_refusal_names_notices_where_they_are_taken(wire, listener):
    wire.receive(wire.request("MESSAGE", body=b"x", kind="x/y"))
    assert COMPOSING in wire.one().lines("Accept")[0]


# ---------------------------------------------------------------- inside a call


def test_inside_a_call(pair):
    ComposingChanged.enable(pair.bob)
    mine, its = pair.established()
    writing = mine.composing()
    pair.run(lambda: type(pair.bob_events[-1]) is ComposingChanged)
    event = pair.bob_events[-1]
    assert (event.active, event.call, event.topic) == (True, its, id(its))
    assert mine.composing() is writing
    pair.network.run(lambda: writing.state == "Terminated")
    pair.network.run(lambda: not pair.bob_events[-1].active)
    mine.terminate()
    pair.quiet()


def test_a_call_that_ends_while_somebody_writes(pair):
    ComposingChanged.enable(pair.bob)
    mine, _ = pair.established()
    writing = mine.composing()
    mine.terminate()
    pair.quiet()
    assert writing.state in ("Terminated", "Error")
    assert not pair.bob.messaging.writers
    with pytest.raises(UnexpectedInput):
        mine.composing()

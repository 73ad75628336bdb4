"""How a call came: Diversion (RFC 5806), History-Info (RFC 7044), and redirections of ours."""

import pytest

from sipparty.errors import ParseError, UnexpectedInput, UsageError
from sipparty.sip.dialog.record import Reason
from sipparty.sip.diversion import HistoryEntry, read_diversions, read_history
from sipparty.sip.message import Message


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


@pytest.fixture
def alice(wire):
    agent = wire.agent("sip:alice@atlanta.com", media=True)
    agent.history_info = True
    return agent


# ---------------------------------------------------------------- reading


def test_who_has_diverted_a_call(wire, bob):
    call = wire.invited(
        headers=[
            'Diversion: "Bob" <sip:bob@biloxi.com>;reason=No-Answer;counter=2;privacy=full'
            ";screen=yes, <tel:+15551234>;reason=unconditional",
            "Diversion: <sip:carol@c.com>;counter=many",
        ],
        body=b"theirs",
    )
    found = [
        (one.address.uri_text, one.reason, one.counter, one.privacy, one.screen)
        for one in call.diversions
    ]
    assert found == [
        ("sip:bob@biloxi.com", "no-answer", 2, "full", "yes"),
        ("tel:+15551234", "unconditional", 1, "", ""),
        ("sip:carol@c.com", "unknown", 1, "", ""),
    ]
    call.accept()
    assert len(call.diversions) == 3  # after its answer too


@pytest.mark.parametrize(
    ("text", "counter"), [("999", 999), ("1000", 1), ("²", 1), ("", 1), ("07", 7)]
)
def test_how_often_a_call_was_diverted(text, counter):
    message = Message.parse(
        f"INVITE sip:a@b.com SIP/2.0\r\nDiversion: <sip:c@d.com>;counter={text}\r\n\r\n".encode()
    )
    assert [one.counter for one in read_diversions(message)] == [counter]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("<sip:UserA@ims.example.com>;index=1;foo=bar", [("sip:UserA@ims.example.com", "1")]),
        (
            "<sip:UserA@ims.example.com?Reason=SIP%3Bcause%3D302>;index=1.1,"
            "<sip:UserB@example.com?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1.2;mp=1.1,"
            "<sip:45432@192.168.0.3>;index=1.3;rc=1.2",
            [
                ("sip:UserA@ims.example.com", "1.1", "", "", Reason("SIP", 302)),
                ("sip:UserB@example.com", "1.2", "mp", "1.1", Reason("SIP", 486), True),
                ("sip:45432@192.168.0.3", "1.3", "rc", "1.2"),
            ],
        ),
        ("<sip:a@b.com?Reason=%40>;index=1", [("sip:a@b.com", "1")]),
        ("<sip:a@b.com>, <<, <sip:c@d.com>;index=2", [("sip:a@b.com", "")]),
        ("", []),
    ],
)
def test_where_a_call_has_been(text, entries):
    """RFC 7044 §5, the examples."""
    message = Message.parse(f"INVITE sip:a@b.com SIP/2.0\r\nHistory-Info: {text}\r\n\r\n".encode())
    assert read_history(message) == tuple(HistoryEntry(*one) for one in entries)


def test_entries_without_end_are_not_read():
    text = ", ".join(f"<sip:a@b.com>;index=1.{number}" for number in range(100))
    message = Message.parse(f"INVITE sip:a@b.com SIP/2.0\r\nHistory-Info: {text}\r\n\r\n".encode())
    assert len(read_history(message)) == 32


@pytest.mark.parametrize(
    "text",
    [
        "<sip:UserB@example.com?Reason=SIP%3Bcause%3D486&Privacy=history>;index=1.2;mp=1.1",
        "<sip:a@b.com;p=x>;index=1",
    ],
)
def test_an_entry_is_written_as_it_is_read(text):
    message = Message([("History-Info", text)])
    assert [str(one) for one in read_history(message)] == [text]


# ---------------------------------------------------------------- redirecting


def redirected(wire, bob, *targets, headers=(), **options):
    call = wire.invited(body=b"theirs", headers=headers)
    call.redirect(*targets, **options)
    assert call.state == "Terminated"
    return wire.one()


def test_a_call_is_sent_elsewhere(wire, bob):
    answer = redirected(wire, bob, "carol@c.com")
    assert (answer.status, answer.lines("Contact")) == (302, ["<sip:carol@c.com>"])
    assert answer.lines("Diversion") == answer.lines("History-Info") == []


def test_several_targets_have_an_order(wire, bob):
    answer = redirected(wire, bob, ("carol@c.com", 1), ("sip:dan@d.com;x=y", 0.25), status=300)
    assert answer.status == 300
    assert answer.lines("Contact") == ["<sip:carol@c.com>;q=1", "<sip:dan@d.com;x=y>;q=0.25"]


def test_who_diverts_says_why(wire, bob):
    answer = redirected(
        wire,
        bob,
        "carol@c.com",
        diversion="no-answer",
        headers=["Diversion: <sip:zoe@z.com>;reason=away"],
    )
    assert answer.lines("Diversion") == [
        "<sip:bob@biloxi.com>;reason=no-answer;counter=1",
        "<sip:zoe@z.com>;reason=away",
    ]


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        ((), {}, "one target"),
        (("carol@c.com",), {"status": 486}, "redirects nobody"),
        (("carol@c.com",), {"diversion": "boredom"}, "no-answer"),
        ((("carol@c.com", 2),), {}, "q is from 0 to 1"),
    ],
)
def test_a_redirection_that_cannot_be_is_refused(wire, bob, targets, options, says):
    call = wire.invited(body=b"theirs")
    with pytest.raises(UsageError, match=says):
        call.redirect(*targets, **options)
    with pytest.raises(ParseError):
        call.redirect("sip:")
    assert call.state == "InitiatingDialog"
    call.reject()
    with pytest.raises(UnexpectedInput):
        call.redirect("carol@c.com")


def test_a_redirection_that_a_cancel_has_crossed_is_nothing(wire, bob):
    call = wire.invited(body=b"theirs")
    wire.receive(wire.request("CANCEL"))
    wire.sent()
    assert call.redirect("carol@c.com") is call
    assert wire.sent() == []


@pytest.mark.parametrize(
    ("target", "headers", "contact", "entries"),
    [
        (
            "carol@c.com",
            ["Supported: histinfo"],
            "<sip:carol@c.com>;mp=1",
            ["<sip:bob@biloxi.com>;index=1"],
        ),
        (
            "bob@desk.com",
            ["History-Info: <sip:x@y.com>;index=1, <sip:bob@biloxi.com>;index=1.1;mp=1"],
            "<sip:bob@desk.com>;rc=1.1",
            ["<sip:x@y.com>;index=1", "<sip:bob@biloxi.com>;index=1.1;mp=1"],
        ),
        (  # §9.1, §10.3 rule 6: who has sent it has not written its own
            "carol@c.com",
            ["History-Info: <sip:x@y.com>;index=1.1"],
            "<sip:carol@c.com>;mp=1.1.0",
            ["<sip:x@y.com>;index=1.1", "<sip:bob@biloxi.com>;index=1.1.0"],
        ),
        ("carol@c.com", [], "<sip:carol@c.com>", []),  # §9.4: nobody asks
    ],
)
def test_a_redirection_says_how_it_was_found(wire, bob, target, headers, contact, entries):
    """RFC 7044 §8, §10.4."""
    bob.history_info = True
    answer = redirected(wire, bob, target, headers=headers)
    assert answer.lines("Contact") == [contact]
    assert answer.lines("History-Info") == entries


def test_an_answer_says_where_the_call_has_been(wire, bob):
    """§9.4."""
    bob.history_info = True
    entry = "<sip:bob@biloxi.com>;index=1"
    call = wire.invited(body=b"theirs", headers=[f"History-Info: {entry}"])
    call.accept()
    assert wire.one().lines("History-Info") == [entry]


# ---------------------------------------------------------------- being redirected


def refused(wire, invite, status, *headers):
    wire.receive(wire.answer(invite, status, headers=headers, contact=None))
    ack, again = wire.sent()
    assert (ack.method, again.method) == ("ACK", "INVITE")
    return again


def test_a_call_says_where_it_was_sent(wire, alice):
    """§6.1, §9.2, §9.3, §10.2, §10.3 rule 4, §10.4."""
    _, first = wire.invite(alice, "sip:bob@10.0.0.9;p=x")
    assert first.lines("History-Info") == ["<sip:bob@10.0.0.9;p=x>;index=1"]
    assert "histinfo" in first.supported
    contacts = (
        "<sip:carol@10.0.0.9>;mp=1;q=1, <sip:dan@10.0.0.9>;q=0.5, <sip:bob@10.0.0.9>;rc=1;q=0"
    )
    second = refused(wire, first, 302, ("Contact", contacts))
    moved = "Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%20Temporarily%22"
    assert second.lines("History-Info") == [
        f"<sip:bob@10.0.0.9;p=x?{moved}>;index=1",
        "<sip:carol@10.0.0.9>;index=2;mp=1",
    ]
    third = refused(wire, second, 486)
    busy = "Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%20Here%22"
    assert third.lines("History-Info") == [
        f"<sip:bob@10.0.0.9;p=x?{moved}>;index=1",
        f"<sip:carol@10.0.0.9?{busy}>;index=2;mp=1",
        "<sip:dan@10.0.0.9>;index=3",  # who has redirected us does not say how it was found
    ]
    fourth = refused(wire, third, 404)
    assert fourth.lines("History-Info")[3] == "<sip:bob@10.0.0.9>;index=4;rc=1"
    entries = read_history(fourth)
    assert [one.index for one in entries] == ["1", "2", "3", "4"]
    assert [one.reason and one.reason.cause for one in entries] == [302, 486, 404, None]


def test_who_has_diverted_a_call_goes_along(wire, alice):
    _, first = wire.invite(alice)
    diversion = "<sip:bob@10.0.0.9>;reason=no-answer;counter=1"
    again = refused(wire, first, 302, ("Contact", "<sip:carol@10.0.0.9>"), ("Diversion", diversion))
    assert again.lines("Diversion") == [diversion]


def test_the_same_target_is_no_further_entry(wire, alice):
    alice.session_expires = 90
    _, invite = wire.invite(alice)
    again = refused(wire, invite, 422, ("Min-SE", "300"))
    assert again.lines("History-Info") == ["<sip:bob@10.0.0.9>;index=1"]


def test_without_the_setting_nothing_is_said(wire, alice):
    alice.history_info = False
    _, first = wire.invite(alice)
    again = refused(
        wire, first, 302, ("Contact", "<sip:c@10.0.0.9>"), ("Diversion", "<sip:bob@10.0.0.9>")
    )
    for invite in (first, again):
        assert invite.lines("History-Info") == invite.lines("Diversion") == []
        assert "histinfo" not in invite.supported

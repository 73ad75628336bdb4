"""What a response asks of its request, sent again (RFC 3261 §8.1.3.5). Other servers are in
`test_attempts`, credentials in `test_attempts_digest`, other targets in `test_redirects`."""

import gzip

import pytest

from sipparty.sip import Multipart, NextHop, Part, Request
from sipparty.sip.client_request import ClientRequest
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.retries import POLICIES, retry_after

BOB = "sip:bob@biloxi.com"
SDP, PIDF = "application/sdp", "application/pidf+xml"


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


@pytest.fixture
def ask(wire, alice):
    """Send a request, and have it answered: `ask(420, "Unsupported: 100rel", Require="100rel")`.

    Returns the request's handle, and both times that it was sent; None for what was not.
    """

    def send(status, *headers, method="MESSAGE", uri=BOB, body=b"", **given):
        request = Request(method, uri, given, body)
        asked = send_out_of_dialog(alice, request, NextHop("10.0.0.9"))
        first = wire.one()
        answer = wire.answer(first, status)  # as it comes: nothing checks these headers
        wire.receive(answer.replace(b"\r\n\r\n", "\r\n".join(["", *headers, "", ""]).encode()))
        again = wire.sent()
        return asked, first, again[-1] if again and again[-1].method == method else None

    return send


def is_next(first, again):
    """Whether a request is another one, and of the same kind in all but what was asked for."""
    assert again.via.branch != first.via.branch
    assert again.cseq.number == first.cseq.number + 1
    assert (again.call_id, again.lines("From"), again.lines("To")) == (
        *(first.call_id, first.lines("From"), first.lines("To")),
    )
    return True


# ---------------------------------------------------------------- 420


def test_an_extension_that_is_not_supported_is_left_out(wire, ask):
    tags = {"Require": "100rel, Timer", "Proxy-Require": "sec-agree"}
    asked, first, again = ask(420, "Unsupported: timer, SEC-AGREE", **tags)
    assert is_next(first, again)
    assert again.lines("Require") == ["100rel"]
    assert "Proxy-Require" not in again
    wire.receive(wire.answer(again, 200))
    assert asked.wait(0).status == 200


def test_the_last_one_left_out_leaves_no_header(ask):
    _, first, again = ask(420, "Unsupported: 100rel", Require="100rel")
    assert is_next(first, again)
    assert "Require" not in again


@pytest.mark.parametrize(
    ("asks", "given"),
    [
        ("Unsupported: timer", {"Require": "100rel"}),
        ("Unsupported: timer", {}),
        ("X-None: 1", {"Require": "100rel"}),
    ],
)
def test_what_was_not_required_cannot_be_left_out(ask, asks, given):
    asked, _, again = ask(420, asks, **given)
    assert again is None
    assert asked.response.status == 420


def test_a_call_that_is_to_replace_another_is_not_placed_as_a_further_one(wire, alice):
    """RFC 3891 §6.2: Require is there for just that."""
    call, invite = wire.invite(alice, replaces="c9;to-tag=1;from-tag=2")
    assert list(invite.require) == ["replaces"]
    wire.receive(wire.answer(invite, 420, headers=[("Unsupported", "replaces")]))
    assert wire.starts() == ["ACK"]
    assert (call.state, call.last_error.status) == ("Error", 420)


def test_a_call_to_who_supports_100rel_alone_is_not_one_to_others(wire, alice):
    alice.reliable_provisionals = "required"
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 420, headers=[("Unsupported", "100rel")]))
    assert wire.starts() == ["ACK"]
    assert (call.state, call.last_error.status) == ("Error", 420)


# ---------------------------------------------------------------- 415 and 413


def parts(*handlings, subtype="mixed"):
    kinds = (SDP, PIDF, "text/plain")
    return Multipart(
        [
            Part(kind, f"<{kind}>", {"Content-Disposition": f"session;handling={handling}"})
            for kind, handling in zip(kinds, handlings, strict=False)
        ],
        subtype,
    )


def test_parts_that_are_not_accepted_are_left_out(ask):
    body = parts("required", "optional", "required")
    _, first, again = ask(415, f"Accept: {SDP}, text/*, multipart/*", body=body)
    assert is_next(first, again)
    assert again.media_type == "multipart/mixed"
    assert [part.media_type for part in again.parts] == [SDP, "text/plain"]


def test_where_no_multipart_is_accepted_one_part_is_the_body(ask):
    _, first, again = ask(415, f"Accept: {SDP}", body=parts("required", "optional"))
    assert is_next(first, again)
    assert (again.media_type, again.body) == (SDP, f"<{SDP}>".encode())


@pytest.mark.parametrize("handling", ["required", "optional"])
def test_of_what_is_accepted_what_is_required_comes_first(ask, handling):
    _, _, again = ask(415, f"Accept: {SDP}, {PIDF}", body=parts("optional", handling))
    assert again.media_type == (PIDF if handling == "required" else SDP)


@pytest.mark.parametrize(
    ("accept", "handlings"),
    [
        (f"Accept: {PIDF}", ("required", "optional")),  # what is required is not accepted
        (f"Accept: {SDP}", ("required", "required")),
        (f"Accept: {SDP}, {PIDF}", ("required", "required")),  # nor can both be one body
        ("Accept: image/png", ("optional", "optional")),  # nothing is left
        (f"Accept: multipart/*, {SDP}, {PIDF}", ("required", "optional")),  # all of it is accepted
        ("X-None: 1", ("required", "optional")),
        ("Accept: ///", ("required", "optional")),
    ],
)
def test_where_there_is_no_choice_a_415_is_the_outcome(ask, accept, handlings):
    asked, _, again = ask(415, accept, body=parts(*handlings))
    assert again is None
    assert asked.response.status == 415


def test_a_plain_body_has_no_choice(ask):
    asked, _, again = ask(415, "Accept: text/html", body="hi", **{"Content-Type": "text/plain"})
    assert again is None
    assert asked.response.status == 415


@pytest.mark.parametrize(("encodings", "undone"), [("identity", True), ("gzip, identity", False)])
def test_an_encoding_that_is_not_accepted_is_undone(ask, encodings, undone):
    given = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    asked, first, again = ask(
        415, f"Accept-Encoding: {encodings}", body=gzip.compress(b"hello"), **given
    )
    if not undone:
        assert again is None
        assert asked.response.status == 415
        return
    assert is_next(first, again)
    assert "Content-Encoding" not in again
    assert (again.media_type, again.body) == ("text/plain", b"hello")


def test_an_encoding_that_cannot_be_undone_stays(ask):
    given = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    asked, _, again = ask(415, "Accept-Encoding: identity", body=b"no gzip", **given)
    assert again is None
    assert asked.response.status == 415


def test_what_is_too_large_goes_without_what_is_optional(ask):
    body = parts("required", "optional", "required")
    _, first, again = ask(413, body=body)
    assert is_next(first, again)
    assert [part.media_type for part in again.parts] == [SDP, "text/plain"]
    _, _, again = ask(413, body=parts("required", "optional"))
    assert again.media_type == SDP


@pytest.mark.parametrize("handlings", [("required", "required"), ("optional", "optional")])
def test_what_cannot_be_made_smaller_is_too_large(ask, handlings):
    asked, _, again = ask(413, body=parts(*handlings))
    assert again is None
    assert asked.response.status == 413


# ---------------------------------------------------------------- 416


def test_a_telephone_number_goes_as_a_sip_uri(ask):
    """§19.1.6."""
    _, first, again = ask(416, uri="tel:+358-555-1234567;ext=5", method="OPTIONS")
    assert is_next(first, again)
    assert again.uri_text == "sip:+358-555-1234567;ext=5@atlanta.com;user=phone"


@pytest.mark.parametrize("uri", [BOB, "sips:bob@biloxi.com", "urn:service:sos"])
def test_no_other_uri_is_changed(ask, uri):
    asked, _, again = ask(416, uri=uri)
    assert again is None
    assert asked.response.status == 416


# ---------------------------------------------------------------- 422 and 423


@pytest.mark.parametrize(
    ("status", "asks", "name", "given", "expected"),
    [
        (422, "Min-SE: 1800", "Session-Expires", "90;refresher=uas", "1800;refresher=uas"),
        (423, "Min-Expires: 3600", "Expires", "60", "3600"),
        (423, "Min-Expires: 99999999999999", "Expires", "60", "4294967295"),
    ],
)
def test_an_interval_that_is_too_brief_is_raised(ask, status, asks, name, given, expected):
    _, first, again = ask(status, asks, method="REGISTER", **{name: given})
    assert is_next(first, again)
    assert again.lines(name) == [expected]
    assert again.lines("Min-SE") == (["1800"] if status == 422 else [])


@pytest.mark.parametrize(
    ("status", "asks", "given"),
    [
        (422, "Min-SE: 90", {"Session-Expires": "90"}),  # it is long enough
        (422, "Min-SE: 90", {}),
        (422, "X-None: 1", {"Session-Expires": "90"}),
        (423, "Min-Expires: soon", {"Expires": "60"}),
    ],
)
def test_an_interval_that_cannot_be_raised(ask, status, asks, given):
    asked, _, again = ask(status, asks, method="REGISTER", **given)
    assert again is None
    assert asked.response.status == status


# ---------------------------------------------------------------- 413 and 503: later


@pytest.mark.parametrize("most", [30, 60])
@pytest.mark.parametrize("status", [413, 503])
def test_a_server_that_asks_for_time_gets_it(wire, alice, ask, status, most):
    alice.retry_wait = most
    asked, first, again = ask(status, "Retry-After: 30 (busy)")
    assert again is None
    assert asked.state == "Waiting"
    wire.pass_until(29.9)
    assert wire.sent() == []
    wire.pass_until(30)
    again = wire.one()
    assert is_next(first, again)
    wire.receive(wire.answer(again, 200))
    assert asked.wait(0).status == 200
    wire.over()


@pytest.mark.parametrize(
    ("wait", "asks"),
    [
        (0, "Retry-After: 0"),
        (0, "Retry-After: 1"),
        (60, "Retry-After: 61"),
        (60, "X-None: 1"),
        (60, "Retry-After: soon"),
    ],
)
@pytest.mark.parametrize("status", [413, 503])
def test_nobody_waits_longer_than_they_will(wire, alice, ask, status, wait, asks):
    alice.retry_wait = wait
    asked, _, again = ask(status, asks)
    assert again is None
    assert asked.response.status == status


@pytest.mark.parametrize("most", [1, 60])
def test_a_server_that_asks_for_no_time_gets_a_second(wire, alice, ask, most):
    alice.retry_wait = most
    ask(503, "Retry-After: 0")
    assert wire.sent() == []
    wire.pass_until(1)
    assert wire.starts() == ["MESSAGE"]


def test_what_waits_may_be_cancelled(wire, alice, ask):
    alice.retry_wait = 60
    asked, _, _ = ask(503, "Retry-After: 30")
    asked.cancel()
    assert (asked.state, asked.error.status) == ("Failed", 487)
    assert str(asked.error) == "The request was cancelled before it was sent."
    wire.over()
    assert wire.sent() == []


def test_a_call_that_waits_may_be_given_up(wire, alice):
    alice.retry_wait = 60
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 503, headers=[("Retry-After", "30")]))
    assert wire.starts() == ["ACK"]
    call.terminate()
    assert call.state == "Terminated"
    assert wire.sent() == []
    wire.over()


def test_where_there_is_no_way_after_the_wait_the_response_is_the_outcome(wire, alice, ask):
    alice.retry_wait = 60
    asked, _, _ = ask(503, "Retry-After: 30")
    wire.hold_flows = True
    wire.pass_until(30)
    wire.core.flow_failed(wire.wanted.pop(), "No route.", wire.now)
    assert asked.wait(0).status == 503


# ---------------------------------------------------------------- all of them


def test_responses_are_not_followed_for_ever(wire, alice, ask):
    alice.retry_wait = 60
    asked, request, _ = ask(503, "Retry-After: 1")
    sent = 1
    while asked.state == "Waiting":
        wire.pass_until(wire.now + 1)
        request = wire.one()
        sent += 1
        wire.receive(wire.answer(request, 503, headers=[("Retry-After", "1")]))
    assert sent == ClientRequest.MAX_ATTEMPTS
    assert asked.response.status == 503


@pytest.mark.parametrize("status", sorted(POLICIES))
def test_a_cancelled_request_is_not_sent_again(wire, alice, status):
    alice.retry_wait = 60
    headers = [
        ("Retry-After", "1"),
        ("Unsupported", "timer"),
        ("Min-SE", "90"),
        ("Min-Expires", "90"),
        ("Contact", "<sip:carol@10.0.0.7>"),
    ]
    call, invite = wire.invite(
        alice, headers=[("Require", "timer"), ("Session-Expires", "60"), ("Expires", "60")]
    )
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    wire.receive(wire.answer(invite, status, headers=headers, contact=None))
    wire.pass_until(10)
    assert wire.starts() == ["CANCEL", "ACK", *["CANCEL"] * 4]
    assert call.state == "Terminated"


def test_what_was_changed_once_stays_changed(wire, ask):
    given = {"Require": "100rel", "Session-Expires": "60"}
    _, first, again = ask(420, "Unsupported: 100rel", **given)
    wire.receive(wire.answer(again, 422, headers=[("Min-SE", "90")]))
    last = wire.one()
    assert is_next(again, last)
    assert "Require" not in last
    assert last.lines("Session-Expires") == ["90"]
    assert first.lines("Require") == ["100rel"]


def test_a_call_is_sent_again_with_its_offer(wire):
    alice = wire.agent("sip:alice@atlanta.com", media=True)
    call, invite = wire.invite(alice, headers=[("Require", "timer")])
    wire.receive(wire.answer(invite, 420, headers=[("Unsupported", "timer")]))
    ack, again = wire.sent()
    assert (ack.method, ack.cseq.number) == ("ACK", invite.cseq.number)
    assert is_next(invite, again)
    assert again.body == invite.body == b"offer"
    wire.receive(wire.answer(again, 200, body=b"answer"))
    assert call.state == "InDialog"
    assert wire.one().cseq.number == again.cseq.number
    assert len(wire.medias) == 1


def test_inside_a_dialog_a_request_takes_the_next_number(wire, alice):
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    asked = call.send("INFO", {"Require": "timer"})
    info = wire.one()
    wire.receive(wire.answer(info, 420, headers=[("Unsupported", "timer")]))
    again = wire.one()
    assert is_next(info, again)
    wire.receive(wire.answer(again, 200))
    assert asked.wait(0).status == 200
    call.terminate()
    assert wire.one().cseq.number == again.cseq.number + 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("18000;duration=3600", 18000), ("120 (I'm in a meeting)", 120), (" 0", 0), ("", None)],
)
def test_retry_after(wire, ask, text, seconds):
    """§20.33."""
    asked, _, _ = ask(500, f"Retry-After: {text}", "X-Other: 1")
    assert retry_after(asked.response) == seconds

"""Calls whose session descriptions are parts of bodies: in INVITE, 1xx, 200, ACK and re-INVITE
(RFC 5621)."""

import pytest

from sipparty.errors import CallFailed
from sipparty.sip import Message, Multipart, Part, Request, SimpleCall
from sipparty.sip.auth import DigestClient
from sipparty.sip.events import CallEstablished, CallReceived, RequestReceived

ACCEPT = ("application/sdp", "multipart/mixed", "multipart/alternative")
SIGNAL = {"Content-Disposition": "signal;handling=optional"}
ICON = {"Content-Disposition": "icon;handling=optional"}


def mixed(description, *more):
    parts = [Part("application/isup;version=nxv3", b"\x01\0\xff\r\n--", SIGNAL)]
    return Multipart([*parts, Part("application/sdp", description), *more])


def alternative(description, *more):
    plain = Part("text/x-plain-words", b"Call me.")
    richer = Part("application/x-session", b"<session/>")
    return Multipart([plain, Part("application/sdp", description), richer, *more], "alternative")


def nested(description, *more):
    return Multipart([Part("image/png", b"png", ICON), alternative(description), *more])


ways = pytest.mark.parametrize("way", [mixed, alternative, nested])


def carrying(body, *headers):
    """What has `wire.request` make a message with that body."""
    return {"body": bytes(body), "kind": str(body.content_type), "headers": headers}


@pytest.fixture
def talker(wire):
    return wire.agent(media=True)


@pytest.fixture
def up(wire, talker):
    """A call that is up: the call, and its 200."""
    call = wire.invited(body=b"first")
    call.accept()
    answer = wire.one()
    wire.acknowledge(answer)
    wire.medias[0].done.clear()
    return call, answer


def answered(wire, invite, status, body, tag="b1"):
    """A response of the peer's with a multipart body."""
    response = Message.parse(wire.answer(invite, status, tag=tag))
    response.body = body
    wire.receive(response)


# ---------------------------------------------------------------- being called


@ways
def test_an_offer_in_a_part_is_answered(wire, talker, way):
    call = wire.invited(**carrying(way(b"theirs")))
    call.accept()
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"answer to theirs")
    assert answer.media_type == "application/sdp"
    wire.acknowledge(answer)
    assert wire.medias[0].done == ["answer", "start"]
    assert call.state == "InDialog"
    assert [type(event) for event in wire.happened] == [CallReceived, CallEstablished]


@ways
def test_an_offer_of_a_reinvite_in_a_part_is_answered(wire, up, way):
    call, answer = up
    wire.receive(wire.within(answer, "INVITE", 2, **carrying(way(b"second"))))
    again = wire.one()
    assert (again.status, again.body) == (200, b"answer to second")
    wire.receive(wire.within(again, "ACK", 2))
    assert wire.medias[0].done == ["answer", "start"]
    assert call.state == "InDialog"


@ways
def test_an_answer_in_a_part_of_the_ack_is_taken(wire, talker, way):
    call = wire.invited()
    call.accept()
    answer = wire.one()
    assert answer.body == b"offer"
    wire.acknowledge(answer, **carrying(way(b"yes")))
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


@pytest.mark.parametrize(
    "body",
    [Multipart([Part("text/plain", b"yes")]), Multipart([Part("application/sdp", b"yes", ICON)])],
)
def test_an_ack_whose_parts_hold_no_answer(wire, talker, body):
    call = wire.invited()
    call.accept()
    wire.acknowledge(wire.one(), **carrying(body))
    assert wire.starts() == ["BYE"]
    assert "The ACK brings no answer to the offer." in str(call.last_error)


def test_an_ack_whose_body_is_broken(wire, talker):
    call = wire.invited()
    call.accept()
    wire.acknowledge(wire.one(), body=b"--b\r\n", kind="multipart/mixed;boundary=b")
    assert wire.starts() == ["BYE"]
    assert "a line '--b--' at the end" in str(call.last_error)


@pytest.mark.parametrize(
    "body",
    [
        Multipart([Part("application/sdp", b"v=0"), Part("text/plain", b"Hi")]),
        Multipart([Part("application/sdp", b"v=0", {"Content-Disposition": "icon"})]),
        Multipart([Part("text/plain", b"a"), Part("text/html", b"b")], "alternative"),
        Multipart([Part("application/sdp", b"v=0"), nested(b"x", Part("x/y"))]),
    ],
)
def test_what_has_to_be_understood_and_is_not_is_refused(wire, talker, body):
    wire.receive(wire.request("INVITE", **carrying(body)))
    answer = wire.one()
    assert (answer.status, answer["Accept"]) == (415, ACCEPT)
    assert wire.happened == []
    assert wire.medias == []


def test_what_a_reinvite_has_to_have_understood_is_refused_and_the_call_goes_on(wire, up):
    call, answer = up
    body = mixed(b"second", Part("text/plain", b"Hi"))
    wire.receive(wire.within(answer, "INVITE", 2, **carrying(body)))
    assert (refusal := wire.one()).status == 415
    assert refusal["Accept"] == ACCEPT
    assert (call.state, wire.medias[0].done) == ("InDialog", [])


def test_a_body_that_is_no_session_is_no_offer(wire, talker):
    # It is optional, so the call is taken; our 200 brings the offer.
    call = wire.invited(body=b"icon", headers=["Content-Disposition: render;handling=optional"])
    call.accept()
    answer = wire.one()
    assert (answer.status, answer.body) == (200, b"offer")
    wire.acknowledge(answer, body=b"yes")
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]


def test_types_of_ones_own_are_taken(wire):
    agent = wire.agent(media=True, accepts=("application/sdp", "application/pidf+xml"))
    location = Part("application/pidf+xml", b"<presence/>", {"Content-ID": "<here@atlanta>"})
    headers = ["Geolocation: <cid:here@atlanta>"]
    wire.receive(wire.request("INVITE", **carrying(mixed(b"v=0", location), *headers)))
    (event,) = wire.happened
    request = event.call._invited.transaction.request
    assert request.find_part(content_id="here@atlanta").body == b"<presence/>"
    wire.receive(wire.request("OPTIONS", branch="z9hG4bK2", call_id="c2"))
    assert wire.one()["Accept"] == (*agent.accepts, *ACCEPT[1:])


# ---------------------------------------------------------------- calling


@ways
def test_an_answer_in_a_part_is_taken(wire, talker, way):
    call, invite = wire.invite(talker)
    answered(wire, invite, 200, way(b"yes"))
    assert wire.starts() == ["ACK"]
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


@ways
def test_an_early_answer_in_a_part_is_taken(wire, talker, way):
    _, invite = wire.invite(talker)
    answered(wire, invite, 183, way(b"early"))
    assert wire.medias[0].done == ["offer", b"accept early", "start"]


@pytest.mark.parametrize("disposition", ["early-session", "alert;handling=optional"])
def test_what_comes_early_and_is_no_session_is_no_answer(wire, talker, disposition):
    call, invite = wire.invite(talker)
    part = Part("application/sdp", b"early", {"Content-Disposition": disposition})
    answered(wire, invite, 183, Multipart([part]))
    assert wire.medias[0].done == ["offer"]
    answered(wire, invite, 200, mixed(b"yes"))
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    assert call.state == "InDialog"


@ways
def test_a_late_offer_in_a_part_is_answered_in_the_ack(wire, talker, way):
    call, invite = wire.invite(talker, late_offer=True)
    answered(wire, invite, 200, way(b"theirs"))
    ack = wire.one()
    assert (ack.method, ack.body) == ("ACK", b"answer to theirs")
    assert call.state == "InDialog"


def test_an_answer_may_carry_what_is_not_understood(wire, talker):
    # RFC 5621 §10: nobody could be told.
    call, invite = wire.invite(talker)
    answered(wire, invite, 200, mixed(b"yes", Part("text/plain", b"Hi")))
    assert call.state == "InDialog"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"--b\r\n\r\nx\r\n--b--", "multipart/mixed;boundary=b", "no session description"),
        (b"--b\r\n\r\nx", "multipart/mixed;boundary=b", "a line '--b--' at the end"),
        (b"x", "multipart/mixed", "a boundary"),
        (b"x", "text/plain", "no session description"),
    ],
)
def test_an_answer_without_a_description_ends_the_call(wire, talker, body, kind, reason):
    call, invite = wire.invite(talker)
    response = Message.parse(wire.answer(invite, 200))
    response["Content-Type"] = kind
    response.body = body
    wire.receive(response)
    assert wire.starts() == ["ACK", "BYE"]
    assert isinstance(call.last_error, CallFailed)
    assert reason in str(call.last_error)


# ---------------------------------------------------------------- bodies of one's own


def test_a_multipart_is_sent_inside_a_call_and_answered_with_one(pair):
    class Noting(SimpleCall):
        methods = {**SimpleCall.methods, "INFO": "take_info"}
        taken = ()

        def take_info(self, transaction):
            self.taken = transaction.request.parts
            transaction.respond(transaction.request.response(200))

    pair.bob.server_dialog = Noting
    mine, its = pair.established()
    exchange = mine.send("INFO", {"Info-Package": "x"}, mixed(b"v=0"))
    pair.run(lambda: exchange.state == "Answered")
    assert its.taken == mixed(b"v=0").parts


def test_a_multipart_is_sent_and_answered_outside_of_calls(wire):
    agent = wire.agent()
    agent.handle_method("DANCE")
    wire.receive(wire.request("DANCE", **carrying(mixed(b"v=0"))))
    (event,) = wire.happened
    assert isinstance(event, RequestReceived)
    assert isinstance(event.request, Request)
    event.incoming.respond(200, body=Multipart(event.request.parts[::-1]))
    assert wire.one().parts == mixed(b"v=0").parts[::-1]


WHERE = ("application/pidf+xml", b"<presence/>")


def test_an_invite_brings_further_parts_beside_its_offer(wire, talker):
    _, invite = wire.invite(talker, parts=[Part(*WHERE, {"Content-ID": "<where@atlanta.com>"})])
    assert invite.content_type.essence == "multipart/mixed"
    offer, where = invite.parts
    assert (offer.media_type, offer.body) == ("application/sdp", b"offer")
    assert (where.media_type, where.body) == WHERE
    wire.receive(wire.answer(invite, 200, body=b"yes"))
    assert wire.starts() == ["ACK"]
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]


@pytest.mark.parametrize("late_offer", [True, False])
def test_an_invite_of_parts_without_an_offer(wire, late_offer):
    agent = wire.agent("sip:alice@atlanta.com", media=late_offer)
    _, invite = wire.invite(agent, parts=[Part(*WHERE)], late_offer=late_offer)
    (where,) = invite.parts
    assert invite.content_type.essence == "multipart/mixed"
    assert where.body == WHERE[1]


def test_the_parts_are_sent_again_with_credentials(wire, talker):
    talker.digest = DigestClient(default=("alice", "secret"), tokens=lambda: "cnonce")
    _, invite = wire.invite(talker, parts=[Part(*WHERE)])
    challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"')
    wire.receive(wire.answer(invite, 401, headers=[challenge]))
    ack, again = wire.sent()
    assert (ack.method, again.method) == ("ACK", "INVITE")
    assert [part.body for part in again.parts] == [b"offer", WHERE[1]]


def test_what_a_call_brings_is_there_to_be_looked_at(wire, talker):
    wire.receive(wire.request("INVITE", **carrying(mixed(b"offer"))))
    (event,) = wire.happened
    assert isinstance(event, CallReceived)
    assert event.request.find_part("application/sdp").body == b"offer"
    event.call.accept()
    assert event.request.method == "INVITE"

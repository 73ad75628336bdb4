"""Publication (RFC 3903), message by message."""

import pytest

from sipparty.errors import CallFailed, CallRejected, CallTimedOut, UnexpectedInput, UsageError
from sipparty.sip import NextHop
from sipparty.sip.notification.package import EventPackage
from sipparty.sip.notification.publication import (
    Publication,
    PublicationEnded,
    PublicationLost,
    Published,
)
from sipparty.sip.notification.renewal import Renewal


class Presence(EventPackage[bytes]):
    name = "presence"
    accepts = ("application/pidf+xml",)

    def build(self, state):
        return state


class Publishing:
    def __init__(self, wire):
        self.wire = wire
        self.agent = wire.agent()
        self.made = Publication(
            self.agent, Presence(), "sip:bob@biloxi.com", NextHop("10.0.0.9", 5060)
        )

    def publish(self, body="<presence/>", expires=None):
        self.made.publish(body, "application/pidf+xml", expires)
        return self.wire.one()

    def answer(self, request, status=200, tag="tag1", expires=3600, headers=()):
        headers = list(headers)
        if tag and status < 300:
            headers.append(("SIP-ETag", tag))
        if expires is not None and status < 300:
            headers.append(("Expires", str(expires)))
        self.wire.receive(self.wire.answer(request, status, contact=None, headers=headers))

    def published(self, **changes):
        self.answer(self.publish(), **changes)
        assert self.made.state == "Published"
        return self

    def kinds(self):
        kinds = (Published, PublicationLost, PublicationEnded)
        return [kind for kind in self.wire.kinds() if kind in kinds]

    def over(self):
        self.wire.over()
        assert not self.agent.services


@pytest.fixture
def publishing(wire):
    return Publishing(wire)


def test_the_first_publish(publishing):
    publish = publishing.publish(expires=600)
    assert (publish.method, publish.uri_text) == ("PUBLISH", "sip:bob@biloxi.com")
    assert str(publish["Event"]) == "presence"
    assert str(publish["Expires"]) == "600"
    assert publish._text("sip-if-match") is None
    assert publish._text("content-type") == "application/pidf+xml"
    assert publish.body == b"<presence/>"
    assert publish._text("contact") is None
    assert publish.to.uri_text == "sip:bob@biloxi.com"
    publishing.answer(publish, expires=600)
    assert (publishing.made.state, publishing.made.entity_tag) == ("Published", "tag1")
    assert publishing.kinds() == [Published]
    assert set(publishing.agent.services) == {publishing.made}
    assert publishing.made.wait() is publishing.made


def test_refreshes_carry_the_tag_and_no_body(publishing):
    publishing.published(expires=1000)
    for number in range(3):
        begun, due = publishing.wire.now, publishing.made.next_timer()
        assert 750 <= due - begun <= 900
        publishing.wire.pass_until(due)
        refresh = publishing.wire.one()
        assert refresh._text("sip-if-match") == f"tag{number + 1}"
        assert refresh.body == b""
        assert refresh._text("content-type") is None
        publishing.answer(refresh, tag=f"tag{number + 2}", expires=1000)


def test_a_change_carries_the_tag_and_the_body(publishing):
    publishing.published()
    change = publishing.publish("<other/>")
    assert (change._text("sip-if-match"), change.body) == ("tag1", b"<other/>")
    publishing.answer(change, tag="tag2")
    assert publishing.made.entity_tag == "tag2"
    assert publishing.kinds() == [Published, Published]


def test_there_is_one_publish_at_a_time_and_then_the_last_state(publishing):
    first = publishing.publish()
    publishing.made.publish("<second/>", "text/xml")
    publishing.made.publish("<third/>", "text/xml")
    assert publishing.wire.sent() == []
    publishing.answer(first)
    third = publishing.wire.one()
    assert (third.body, third._text("sip-if-match")) == (b"<third/>", "tag1")
    publishing.answer(third, tag="tag2")
    assert publishing.made.state == "Published"
    assert publishing.wire.sent() == []


def test_who_has_forgotten_it_is_sent_it_anew(publishing):
    publishing.published(expires=1000)
    publishing.wire.pass_until(publishing.made.next_timer())
    publishing.answer(publishing.wire.one(), 412)
    anew = publishing.wire.one()
    assert (anew._text("sip-if-match"), anew.body) == (None, b"<presence/>")
    publishing.answer(anew, tag="new")
    assert publishing.made.entity_tag == "new"
    assert publishing.kinds() == [Published, Published]


def test_412_again_and_again_is_an_end(publishing):
    publishing.published()
    change = publishing.publish("<other/>")
    for _ in range(40):
        publishing.answer(change, 412)
        publishing.wire.pass_until(publishing.wire.now + 1025)
        sent = publishing.wire.sent()
        if not sent:
            break
        change = sent[-1]
    assert publishing.made.state == "Error"
    publishing.over()


def test_423_is_published_for_longer(publishing):
    publish = publishing.publish(expires=60)
    publishing.answer(publish, 423, headers=[("Min-Expires", "1800")])
    again = publishing.wire.one()
    assert str(again["Expires"]) == "1800"
    publishing.answer(again, expires=1800)
    assert publishing.made.expires == 1800
    assert str(publishing.publish("<other/>")["Expires"]) == "1800"


@pytest.mark.parametrize("status", [403, 404, 412, 489, 503])
def test_a_first_that_is_refused_is_the_end(publishing, status):
    publishing.answer(publishing.publish(), status)
    assert publishing.made.state == "Error"
    assert publishing.made.last_error.status == status
    assert publishing.kinds() == [PublicationEnded]
    with pytest.raises(CallRejected):
        publishing.made.wait()
    publishing.over()


def test_silence_is_the_end_at_first(publishing):
    publishing.publish()
    publishing.wire.pass_until(33)
    assert isinstance(publishing.made.last_error, CallTimedOut)
    publishing.over()


@pytest.mark.parametrize("status", [408, 480, 500, 502, 503, 504, None])
def test_what_is_lost_is_published_anew(publishing, status):
    publishing.published(expires=1000)
    publishing.wire.pass_until(publishing.made.next_timer())
    refresh = publishing.wire.one()
    if status is None:
        publishing.wire.pass_until(publishing.wire.now + 33)
        publishing.wire.out.clear()
    else:
        publishing.answer(refresh, status)
    lost = publishing.wire.happened[-1]
    assert isinstance(lost, PublicationLost)
    assert lost.retry_after == Publication.RETRY
    assert publishing.made.state == "Waiting"
    publishing.wire.pass_until(publishing.wire.now + Publication.RETRY)
    anew = publishing.wire.sent()[0]
    assert (anew._text("sip-if-match"), anew.body) == (None, b"<presence/>")
    publishing.answer(anew)
    assert publishing.made.state == "Published"


def test_it_waits_as_long_as_the_server_asks(publishing):
    publishing.published()
    publishing.answer(publishing.publish("<x/>"), 503, headers=[("Retry-After", "300")])
    assert publishing.wire.happened[-1].retry_after == 300
    publishing.made.publish("<y/>", "text/xml")
    assert publishing.wire.sent() == []
    publishing.wire.pass_until(299)
    assert publishing.wire.sent() == []
    publishing.wire.pass_until(301)
    assert publishing.wire.sent()[0].body == b"<y/>"


def test_a_server_that_stays_away_is_an_end(publishing):
    publishing.published()
    publishing.publish("<x/>")
    publishing.wire.pass_until(20_000)
    assert publishing.made.state == "Error"
    lost = [e for e in publishing.wire.happened if isinstance(e, PublicationLost)]
    assert len(lost) == Renewal.MAX_ATTEMPTS + 1
    assert lost[-1].retry_after is None
    publishing.over()


@pytest.mark.parametrize("status", [403, 409, 481, 501, 505, 604])
def test_a_refusal_for_good_is_the_end(publishing, status):
    publishing.published()
    publishing.answer(publishing.publish("<x/>"), status)
    assert publishing.kinds() == [Published, PublicationLost, PublicationEnded]
    assert publishing.made.state == "Error"


@pytest.mark.parametrize("status", [200, 412, 500, None])
def test_it_is_withdrawn(publishing, status):
    publishing.published()
    publishing.made.terminate()
    removal = publishing.wire.one()
    assert (str(removal["Expires"]), removal.body) == ("0", b"")
    assert removal._text("sip-if-match") == "tag1"
    if status is None:
        publishing.wire.pass_until(33)
    else:
        publishing.answer(removal, status)
    assert publishing.made.state == "Terminated"
    ended = publishing.wire.happened[-1]
    assert isinstance(ended, PublicationEnded)
    assert (ended.publication, ended.error) == (publishing.made, None)
    publishing.over()


def test_what_is_being_published_is_withdrawn_then(publishing):
    first = publishing.publish()
    publishing.made.terminate()
    assert publishing.wire.sent() == []
    publishing.answer(first, tag="tag7")
    removal = publishing.wire.one()
    assert (str(removal["Expires"]), removal._text("sip-if-match")) == ("0", "tag7")
    publishing.answer(removal)
    assert publishing.made.state == "Terminated"
    publishing.over()


def test_what_could_not_be_published_is_not_withdrawn(publishing):
    first = publishing.publish()
    publishing.made.terminate()
    publishing.answer(first, 500)
    assert publishing.made.state == "Terminated"
    publishing.over()


def test_while_it_waits_there_is_nothing_to_withdraw(publishing):
    publishing.published()
    publishing.answer(publishing.publish("<x/>"), 500)
    publishing.made.terminate()
    assert publishing.made.state == "Terminated"
    publishing.over()


@pytest.mark.parametrize("state", ["Publishing", "Published", "Waiting", "Ending", "Withdrawing"])
def test_giving_up_ends_it_at_once(publishing, state):
    first = publishing.publish()
    if state == "Ending":
        publishing.made.terminate()
    elif state != "Publishing":
        publishing.answer(first)
    if state == "Waiting":
        publishing.answer(publishing.publish("<x/>"), 500)
    if state == "Withdrawing":
        publishing.made.terminate()
    assert publishing.made.state == state
    publishing.made.give_up(CallFailed("The engine was closed."))
    assert publishing.made.state in publishing.made.final
    publishing.over()


def test_without_a_tag_a_refresh_is_the_whole_state(publishing):
    publishing.published(tag=None, expires=1000)
    publishing.wire.pass_until(publishing.made.next_timer())
    assert publishing.wire.one().body == b"<presence/>"


def test_what_cannot_be_published(publishing):
    for expires in (0, -1, 1.5, 2**32):
        with pytest.raises(UsageError, match="whole seconds"):
            publishing.made.publish("x", "text/plain", expires)
    with pytest.raises(UsageError, match="empty"):
        publishing.made.publish(b"", "text/plain")
    publishing.made.terminate()
    with pytest.raises(UnexpectedInput):
        publishing.made.publish("x", "text/plain")


@pytest.mark.parametrize("header", ["Content-Length", "Supported", "User-Agent"])
def test_what_else_it_says(publishing, header):
    assert publishing.publish()._text(header.lower()) is not None


@pytest.mark.parametrize("tag", [b'"a"', b"a b", b"\xc3\xa9", b""])
def test_a_tag_that_could_not_be_sent_back_is_none(publishing, tag):
    """The refresh tells the state anew, as where none was given."""
    request = publishing.publish()
    answer = publishing.wire.answer(
        request, 200, contact=None, headers=[("SIP-ETag", "T"), ("Expires", "60")]
    )
    publishing.wire.receive(answer.replace(b"SIP-ETag: T", b"SIP-ETag: " + tag))
    assert publishing.made.entity_tag == ""
    publishing.wire.pass_until(60)
    refresh = publishing.wire.out[0][1]
    assert refresh.body == b"<presence/>"
    assert "SIP-If-Match" not in refresh


@pytest.mark.parametrize("status", [503, 401])
def test_what_is_withdrawn_is_not_published_after_that(publishing, status):
    publishing.agent.retry_wait = 300
    publish = publishing.publish()
    if status == 401:
        publishing.made.terminate()
        challenge = ("WWW-Authenticate", 'Digest realm="biloxi.com", nonce="n"')
        publishing.answer(publish, 401, headers=[challenge])
    else:
        publishing.answer(publish, 503, headers=[("Retry-After", "200")])
        publishing.made.terminate()
    publishing.wire.pass_until(6)  # timer K
    assert publishing.made.state == "Terminated"
    assert publishing.wire.sent() == []
    assert publishing.wire.core.idle()
    publishing.over()


def test_a_server_that_forgets_each_tag_at_once_is_reported(publishing):
    publishing.published()
    publishing.made.publish("<other/>")
    publishing.answer(publishing.wire.one(), 412)
    publishing.answer(publishing.wire.one(), 412)
    publishing.wire.pump()
    assert publishing.made.state == "Waiting"
    lost = publishing.wire.happened[-1]
    assert (type(lost), lost.error.status, lost.retry_after) == (PublicationLost, 412, 2.0)
    publishing.made.terminate()
    publishing.over()

"""Offers that a party cannot take are refused before anybody is told of the call."""

import pytest

from sipparty.errors import NegotiationError, ParseError, UsageError
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip.events import CallReceived


def sdp(media="audio", formats="0"):
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m={media} 40000 RTP/AVP {formats}\r\n"
    ).encode()


GOOD = sdp()


def call(peer, party, body, name):
    """Call a party; return its first answer but 100."""
    kind = [("Content-Type", "application/sdp")]
    peer.request("INVITE", "sip:bob@biloxi.com", party.contact_uri.port, kind, body, name)
    while (answer := peer.receive("SIP/2.0")).status == 100:
        pass
    return answer


@pytest.mark.parametrize("auto_answer", [True, False])
@pytest.mark.parametrize(
    ("body", "status"),
    [(sdp(formats="99"), 488), (sdp("video", "31"), 488), (b"v=0\r\ngarbage", 400)],
)
def test_what_cannot_be_answered_does_not_ring(listening, peer, events, auto_answer, body, status):
    bob = listening(kind=SingleRTPSessionSimplenParty).configure(auto_answer=auto_answer)
    bob.configure(rings=False)
    happened = events(bob, CallReceived)
    answer = call(peer, bob, body, "z9hG4bKbad")
    assert answer.status == status
    assert " sipparty " in answer["Warning"]
    assert not bob.calls
    # The next event is that of the next call.
    peer.request("INVITE", "sip:bob@biloxi.com", bob.contact_uri.port, (), b"", "z9hG4bKgood")
    theirs = happened.next().call
    assert theirs.call_id == "z9hG4bKgood"


def test_the_codecs_of_the_party_count(listening, peer):
    bob = listening(kind=SingleRTPSessionSimplenParty, media={"codecs": ["PCMA"]})
    bob.on(CallReceived, lambda event: event.call.accept())
    assert call(peer, bob, GOOD, "z9hG4bK1").status == 488
    assert call(peer, bob, sdp(formats="0 8"), "z9hG4bK2").status == 200


class Chooses(SingleRTPSessionSimplenParty):
    """A party that chooses a session per call: nobody knows its codecs before."""

    def make_session(self, dialog):
        self.media["codecs"] = ["PCMA"]
        return super().make_session(dialog)


def test_a_session_of_ones_own_is_asked_when_the_call_is_accepted(listening, peer):
    bob = listening(kind=Chooses, media={"codecs": ["PCMU"]})
    bob.on(CallReceived, lambda event: event.call.accept())
    assert call(peer, bob, sdp(formats="8"), "z9hG4bK1").status == 200
    assert call(peer, bob, b"garbage", "z9hG4bK2").status == 400


class Strict(SingleRTPSessionSimplenParty):
    """A party with a judge of its own."""

    def check_offer(self, offer):
        raise NegotiationError("Not today.", 606)


def test_a_judge_of_ones_own(listening, peer):
    bob = listening(kind=Strict)
    bob.on(CallReceived, lambda event: event.call.accept())
    answer = call(peer, bob, GOOD, "z9hG4bK1")
    assert (answer.status, "Not today." in answer["Warning"]) == (606, True)


def test_a_party_without_media_refuses_streams_not_calls(listening, peer):
    bob = listening().configure(rings=False)
    answer = call(peer, bob, sdp(formats="99"), "z9hG4bK1")
    assert answer.status == 200
    assert b"m=audio 0 RTP/AVP 99" in answer.body
    assert call(peer, bob, b"garbage", "z9hG4bK2").status == 400


def test_an_offer_to_a_caller_without_media_is_answered(make_party, peer):
    """A phone that is called without an offer makes one; each of its streams is refused."""
    call = make_party("alice@atlanta.com").invite("bob@biloxi.com", proxy=peer.place)
    invite = peer.receive("INVITE")
    peer.answer(invite, 200, None, [("Content-Type", "application/sdp")], GOOD)
    ack = peer.receive("ACK")
    assert b"m=audio 0 RTP/AVP 0" in ack.body
    assert call.wait(5).state == "InDialog"


@pytest.mark.parametrize("patience", [0, -1, float("inf"), float("nan")])
def test_a_patience_that_is_none(make_party, patience):
    with pytest.raises(UsageError, match="The patience is in seconds"):
        make_party("bob@biloxi.com").configure(patience=patience)


def test_a_party_waits_as_long_as_it_is_told(listening, make_party):
    bob = listening().configure(patience=0.05, auto_answer=False)
    call = make_party("alice@atlanta.com").invite(bob)
    call.waitForStateCondition(call.settled, 10)
    assert call.last_error.status == 480


def test_the_base_of_sessions_takes_any_description():
    check = SingleRTPSessionSimplenParty.MediaSession.__mro__[1].check_offer
    check(GOOD, codecs=["opus"])
    with pytest.raises(ParseError):
        check(b"garbage")

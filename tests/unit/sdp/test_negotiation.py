"""`Negotiation`: the state of a session's offers and answers."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError, Incomplete, NegotiationError, UnexpectedInput, UsageError
from sipparty.sdp import (
    Format,
    MediaCapability,
    MediaExtension,
    Negotiation,
    NegotiationState,
    SessionDescription,
    is_held,
    make_answer,
    make_offer,
)

AUDIO = MediaCapability("audio", ("PCMU", "opus", "telephone-event"), 4000)
VIDEO = MediaCapability("video", ("VP8",), 5000)


def alice(*capabilities):
    return Negotiation(capabilities or (AUDIO,), "192.0.2.1", 1)


def bob(*capabilities):
    return Negotiation(capabilities or (AUDIO.at(6000),), "198.51.100.7", 2)


def exchange(offerer, answerer, offer=None):
    """One whole offer/answer; gives both descriptions back."""
    offer = offer or offerer.offer()
    answerer.receive_offer(offer)
    answer = answerer.answer()
    offerer.receive_answer(answer)
    return offer, answer


def directions(negotiation):
    return [stream.direction.value for stream in negotiation.streams]


def test_an_exchange_brings_both_sides_to_agreement():
    a, b = alice(), bob()
    assert a.local is a.remote is a.pending is None
    assert a.streams == ()
    offer, answer = exchange(a, b)
    assert a.state == b.state == NegotiationState.STABLE == "stable"
    assert (a.local, a.remote) == (b.remote, b.local) == (offer, answer)
    assert a.streams[0].remote_port == 6000
    assert b.streams[0].remote_port == 4000
    assert str(offer.origin) == "- 1 1 IN IP4 192.0.2.1"
    assert str(answer.origin) == "- 2 1 IN IP4 198.51.100.7"


def test_states_and_the_open_offer():
    a, b = alice(), bob()
    offer = a.offer()
    assert (a.state, a.pending) == ("local-offer", offer)
    b.receive_offer(offer)
    assert (b.state, b.pending) == ("remote-offer", offer)
    assert b.slots == (0,)
    assert b.local is None


STABLE, LOCAL, REMOTE = NegotiationState


def in_state(state):
    negotiation = alice()
    if state is LOCAL:
        negotiation.offer()
    elif state is REMOTE:
        negotiation.receive_offer(bob().offer())
    return negotiation


ANSWER = SessionDescription.audio("198.51.100.7", 6000)


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        (STABLE, lambda n: n.answer()),
        (STABLE, lambda n: n.refuse()),
        (STABLE, lambda n: n.receive_answer(ANSWER)),
        (STABLE, lambda n: n.rollback()),
        (LOCAL, lambda n: n.offer()),
        (LOCAL, lambda n: n.offer("sendonly")),
        (LOCAL, lambda n: n.offer("sendrecv")),
        (LOCAL, lambda n: n.answer()),
        (LOCAL, lambda n: n.refuse()),
        (REMOTE, lambda n: n.offer()),
        (REMOTE, lambda n: n.receive_answer(ANSWER)),
    ],
)
def test_a_verb_out_of_order_changes_nothing(state, verb):
    negotiation = in_state(state)
    pending = negotiation.pending
    with pytest.raises(UnexpectedInput, match=f"current state '{state}'") as caught:
        verb(negotiation)
    assert isinstance(caught.value, UsageError)
    assert negotiation.state is state
    assert negotiation.pending is pending
    assert not negotiation.held


@pytest.mark.parametrize(("state", "status"), [(LOCAL, 491), (REMOTE, 500)])
def test_an_offer_while_one_is_open_says_what_to_answer(state, status):
    negotiation = in_state(state)
    pending = negotiation.pending
    with pytest.raises(NegotiationError) as caught:
        negotiation.receive_offer(bob().offer())
    assert caught.value.status == status
    assert negotiation.pending is pending


def test_an_offer_with_nothing_in_common_changes_nothing():
    a = alice()
    with pytest.raises(NegotiationError) as caught:
        a.receive_offer(SessionDescription.audio("198.51.100.7", 9, ["G722"]))
    assert caught.value.status == 488
    assert a.state == "stable"
    exchange(a, bob())


def test_the_port_may_be_known_as_late_as_the_answer():
    b = bob(MediaCapability(formats=["PCMU"]))
    b.receive_offer(alice().offer())
    with pytest.raises(Incomplete):
        b.answer()
    assert b.state == "remote-offer"
    b.capabilities = [one.at(7000) for one in b.capabilities]
    assert b.answer().media[0].port == 7000


def test_an_offer_repeated_is_the_same_description():
    a, b = alice(), bob()
    first, answered = exchange(a, b)
    again, answered_again = exchange(a, b)
    assert bytes(again) == bytes(first)
    assert bytes(answered_again) == bytes(answered)


def test_the_version_goes_up_by_one_when_something_changes():
    a, b = alice(), bob()
    exchange(a, b)
    a.capabilities = [AUDIO.at(4444)]
    offer, answer = exchange(a, b)
    assert offer.origin.version == 2
    assert offer.media[0].port == 4444
    assert answer.origin.version == 1
    a.address = "192.0.2.9"
    offer, _ = exchange(a, b)
    assert str(offer.origin) == "- 1 3 IN IP4 192.0.2.1"
    assert b.streams[0].remote_address == "192.0.2.9"


def test_rollback_returns_to_what_was_agreed():
    a, b = alice(), bob()
    exchange(a, b)
    before = (a.local, a.remote, a.streams)
    refused = a.offer("sendonly")
    assert a.held
    a.rollback()
    assert (a.local, a.remote, a.streams) == before
    assert (a.state, a.pending, a.held) == ("stable", None, False)
    # The peer has seen version 2: what is not version 2 is not called so.
    assert refused.origin.version == 2
    assert a.offer().origin.version == 3


def test_rollback_of_the_peers_offer():
    a, b = alice(), bob()
    exchange(a, b)
    before = (b.local, b.remote, b.streams)
    b.receive_offer(a.offer("sendonly"))
    b.rollback()
    assert (b.local, b.remote, b.streams) == before
    a.rollback()
    exchange(b, a)


def test_rollback_of_the_first_offer():
    a = alice()
    first = a.offer()
    a.rollback()
    assert a.local is None
    assert a.offer() == first


def test_hold_and_resume():
    a, b = alice(), bob()
    exchange(a, b)
    offer, answer = exchange(a, b, a.offer("sendonly"))
    assert offer.media[0].direction == "sendonly"
    assert answer.media[0].direction == "recvonly"
    assert (directions(a), directions(b)) == (["sendonly"], ["recvonly"])
    assert b.streams[0].held
    assert not a.streams[0].held
    assert (a.held, b.held) == (True, False)
    offer, answer = exchange(a, b, a.offer("sendrecv"))
    assert answer.media[0].direction == "sendrecv"
    assert not a.held


def test_hold_from_both_sides_and_resume_one_by_one():
    # RFC 6337 Section 5.3, from "If UA2 has previously been" on.
    a, b = alice(), bob()
    exchange(a, b)
    exchange(a, b, a.offer("sendonly"))
    offer, answer = exchange(b, a, b.offer("sendonly"))
    assert (offer.media[0].direction, answer.media[0].direction) == ("sendonly", "inactive")
    offer, answer = exchange(a, b, a.offer("sendrecv"))
    assert (offer.media[0].direction, answer.media[0].direction) == ("sendrecv", "sendonly")
    offer, answer = exchange(b, a, b.offer("sendrecv"))
    assert (offer.media[0].direction, answer.media[0].direction) == ("sendrecv", "sendrecv")


def test_a_hold_lasts_over_other_offers_and_nobody_is_stuck_on_hold():
    a, b = alice(), bob()
    exchange(a, b)
    exchange(a, b, a.offer("inactive"))
    assert directions(a) == ["inactive"]
    # A refresh from the holding side keeps the hold, one from the other side asks for all.
    assert a.offer().media[0].direction == "inactive"
    a.rollback()
    assert b.offer().media[0].direction == "sendrecv"


def test_lines_do_not_go_away():
    a, b = alice(AUDIO, VIDEO), bob()
    _, answer = exchange(a, b)
    assert [one.port for one in answer.media] == [6000, 0]
    assert [stream.index for stream in a.streams] == [0]
    assert a.slots == (0, None)
    offer, _ = exchange(a, b, a.offer("sendonly"))
    assert [(one.media, one.port) for one in offer.media] == [("audio", 4000), ("video", 0)]
    # An ordinary offer asks for what was refused again, in its old place.
    assert [one.port for one in a.offer().media] == [4000, 5000]


def test_a_line_too_few_is_refused():
    a, b = alice(AUDIO, VIDEO), bob()
    exchange(a, b)
    with pytest.raises(NegotiationError, match="1 streams where the session has 2"):
        b.receive_offer(SessionDescription.audio("192.0.2.1", 9))
    assert b.state == "stable"


def test_a_stream_is_removed_and_its_line_used_again():
    a, b = alice(AUDIO, VIDEO), bob(AUDIO.at(6000), VIDEO.at(7000))
    exchange(a, b)
    a.capabilities = [AUDIO, VIDEO.at(0)]
    exchange(a, b)
    assert [stream.media for stream in a.streams] == ["audio"]
    a.capabilities = [AUDIO, VIDEO.at(0), MediaCapability("audio", ("PCMA",), 4444)]
    b.capabilities = [*b.capabilities, MediaCapability("audio", ("PCMA",), 6666)]
    offer, answer = exchange(a, b)
    assert [(one.media, one.port) for one in offer.media] == [("audio", 4000), ("audio", 4444)]
    assert [one.port for one in answer.media] == [6000, 6666]


def test_a_stream_keeps_its_capability_when_an_earlier_one_goes():
    first, second = AUDIO.at(4000), AUDIO.at(4002)
    a, b = alice(first, second), bob(AUDIO.at(6000), AUDIO.at(6002))
    exchange(a, b)
    a.capabilities = [first.at(0), second]
    _, answer = exchange(a, b)
    assert [one.port for one in answer.media] == [0, 6002]


def test_streams_are_added_below():
    a, b = alice(), bob(AUDIO.at(6000), VIDEO.at(7000))
    exchange(a, b)
    a.capabilities = [AUDIO, VIDEO, MediaCapability("text", ["t140/1000"])]
    offer, answer = exchange(a, b)
    assert [(one.media, one.port) for one in offer.media] == [("audio", 4000), ("video", 5000)]
    assert [one.port for one in answer.media] == [6000, 7000]


def test_a_session_may_begin_without_streams():
    a = Negotiation((), "192.0.2.1", 1)
    b = bob()
    exchange(a, b)
    a.capabilities = [AUDIO]
    exchange(a, b)
    assert len(a.streams) == len(b.streams) == 1


def test_payload_types_keep_their_meaning():
    a = alice(MediaCapability("audio", ("opus", "telephone-event"), 4000))
    b = bob(MediaCapability("audio", ("iLBC", "telephone-event", "opus"), 6000))
    offer, _ = exchange(a, b)
    assert offer.media[0].formats == ("96", "97")
    offer, _ = exchange(b, a)
    numbers = {str(one): one.payload_type for one in offer.media[0].media_formats}
    assert numbers == {"iLBC/8000": 98, "telephone-event/8000": 97, "opus/48000/2": 96}


def test_the_peer_may_use_other_numbers():
    a = alice(MediaCapability("audio", (Format("iLBC", 8000, 1, 97),), 4000))
    offer = a.offer()
    answer = make_offer([MediaCapability("audio", (Format("iLBC", 8000, 1, 99),), 9)], "b", 2)
    a.receive_answer(answer)
    (agreed,) = a.streams[0].formats
    assert (agreed.send_payload_type, agreed.receive_payload_type) == (99, 97)
    assert a.offer().media[0].formats == offer.media[0].formats


def test_everything_can_be_refused_and_asked_for_again():
    a, b = alice(), bob()
    b.receive_offer(a.offer())
    refusal = b.refuse()
    a.receive_answer(refusal)
    assert refusal.media[0].port == 0
    assert a.streams == b.streams == ()
    _, answer = exchange(b, a)
    assert answer.media[0].port == 4000


def test_a_bad_answer_leaves_the_offer_open():
    a = alice()
    offer = a.offer()
    with pytest.raises(NegotiationError):
        a.receive_answer(SessionDescription.audio("198.51.100.7", 9, ["G722"]))
    assert (a.state, a.pending, a.streams) == ("local-offer", offer, ())


def test_a_preview_opens_media_and_not_the_next_offer():
    a = alice()
    offer = a.offer()
    early = make_answer(offer, [AUDIO.at(7000)], "203.0.113.5", 3)
    a.receive_answer(early, preview=True)
    assert a.streams[0].remote_port == 7000
    assert (a.state, a.remote) == ("local-offer", None)
    a.receive_answer(make_answer(offer, [AUDIO.at(6000)], "198.51.100.7", 2))
    assert a.streams[0].remote_port == 6000
    assert a.state == "stable"


def test_a_preview_is_rolled_back_too():
    a = alice()
    a.receive_answer(make_answer(a.offer(), [AUDIO.at(7000)], "203.0.113.5", 3), preview=True)
    a.rollback()
    assert a.streams == ()


def test_forks_answer_one_offer_each_for_itself():
    a, b, c = alice(), bob(), Negotiation((AUDIO.at(8000),), "203.0.113.5", 3)
    offer = a.offer()
    fork = a.fork()
    for ours, theirs in ((a, b), (fork, c)):
        theirs.receive_offer(offer)
        ours.receive_answer(theirs.answer())
    assert a.streams[0].remote_port == 6000
    assert fork.streams[0].remote_port == 8000


class CountsAnswers(MediaExtension):
    """Keeps a state."""

    seen = 0

    def check(self, local, remote):
        self.seen += 1


def test_forks_share_no_state_of_extensions():
    a = alice(MediaCapability("audio", ("PCMU",), 4000, extensions=(CountsAnswers(),)))
    offer = a.offer()
    fork = a.fork()
    for port in (6000, 6002):
        answer = make_answer(offer, [AUDIO.at(port)], "203.0.113.5", 3)
        fork.receive_answer(answer, preview=True)
    (ours,), (theirs,) = a.capabilities[0].extensions, fork.capabilities[0].extensions
    assert (ours.seen, theirs.seen) == (0, 2)
    assert fork.capabilities[0] is not a.capabilities[0]
    assert alice().fork().capabilities[0] is AUDIO


class NeedsKey(MediaExtension):
    def answer(self, remote, local):
        return local if remote.has("key") else None

    def check(self, local, remote):
        if not remote.has("key"):
            raise NegotiationError("The answer has no key.")


def test_extensions_check_answers():
    capability = MediaCapability("audio", ("PCMU",), 4000, extensions=(NeedsKey(),))
    a, b = alice(capability), bob()
    b.receive_offer(a.offer())
    with pytest.raises(NegotiationError, match="no key"):
        a.receive_answer(b.answer())
    assert a.state == "local-offer"


def test_what_an_extension_refuses_has_no_capability():
    b = bob(AUDIO.at(6000), MediaCapability("video", ("VP8",), 7000, extensions=(NeedsKey(),)))
    b.receive_offer(alice(AUDIO, VIDEO).offer())
    assert b.slots == (0, 1)
    assert [one.port for one in b.answer().media] == [6000, 0]
    assert b.slots == (0, None)


def test_a_capability_taken_away_leaves_its_line_unused():
    a, b = alice(AUDIO, VIDEO), bob(AUDIO.at(6000), VIDEO.at(7000))
    exchange(a, b)
    a.capabilities = [AUDIO]
    offer, _ = exchange(a, b)
    assert [one.port for one in offer.media] == [4000, 0]


def test_a_hold_sets_aside_a_session_level_direction():
    a = alice()
    b = bob()
    text = bytes(a.offer()).replace(b"a=sendrecv\r\n", b"").replace(b"m=", b"a=sendrecv\r\nm=")
    b.receive_offer(SessionDescription.parse(text))
    a.receive_answer(b.answer())
    held = b.offer("sendonly")
    assert held.media[0].direction == held.media[0].own_direction == "sendonly"
    assert is_held(held)


@pytest.mark.parametrize(("session_id", "version"), [(-1, 1), (2**63, 1), (1, 2**62 - 1)])
def test_ids_stay_in_their_range(session_id, version):
    with pytest.raises(BuildError):
        Negotiation((), "192.0.2.1", session_id, version=version)

"""The ready-made parties."""

import pytest

from sipparty import parties
from sipparty.parties import (
    AllPartyTypes,
    NoMediaSimpleCallsParty,
    SingleRTPSessionSimplenParty,
)
from sipparty.party import Party

KINDS = [(caller, callee) for caller in AllPartyTypes for callee in AllPartyTypes]


def test_every_kind_is_a_party_and_public():
    for kind in AllPartyTypes:
        assert issubclass(kind, Party)
        assert kind.__name__ in parties.__all__
        assert kind.__doc__


@pytest.mark.parametrize("kind", AllPartyTypes)
def test_two_of_a_kind_talk(kind, make_party, listening):
    bob = listening(kind=kind)
    call = make_party("alice@atlanta.com", kind).invite(bob).wait(5)
    [theirs] = bob.calls
    assert (type(call), type(theirs)) == (kind.ClientDialog, kind.ServerDialog)
    # Who has nothing to offer has no session before the other side offers.
    session = kind.MediaSession if kind.MediaSession.offers else type(None)
    assert (type(call.session), type(theirs.session)) == (session, session)
    theirs.terminate().wait(5)
    assert call.wait(5).state == "Terminated"


def test_without_media_the_call_has_no_description(make_party, listening, wire):
    records = wire()
    call = make_party("alice@atlanta.com").invite(listening()).wait(5)
    assert call.session is None
    invites = [r.data for r in records if r.data.startswith(b"INVITE")]
    assert invites
    assert all(data.endswith(b"Content-Length: 0\r\n\r\n") for data in invites)


def test_one_without_media_refuses_the_stream_of_one_with(make_party, listening, wire):
    records = wire()
    bob = listening(kind=NoMediaSimpleCallsParty)
    alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty)
    alice.invite(bob).waitForStateCondition(lambda state: state != "InitiatingDialog", 5)
    assert [type(call.session) for call in bob.calls] == [NoMediaSimpleCallsParty.MediaSession]
    answers = [r.data for r in records if r.direction == "sent" and b"m=audio 0 " in r.data]
    assert len(answers) == 1
    assert answers[0].startswith(b"SIP/2.0 200 ")


def test_options_of_the_media_session(make_party, listening):
    bob = listening(kind=SingleRTPSessionSimplenParty, media={"codecs": ("PCMA",)})
    alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty, media={"ptime": 30})
    call = alice.invite(bob, media={"ptime": 40}).wait(5)
    assert call.session.negotiated.local.ptime == 40
    assert [one.encoding for one in call.session.negotiated.formats] == ["PCMA", "telephone-event"]

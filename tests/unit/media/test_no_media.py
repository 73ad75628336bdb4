import subprocess
import sys

import pytest

from sipparty.errors import ParseError, UsageError
from sipparty.media import MediaSession, NoMediaSession
from sipparty.sdp import SessionDescription

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8\r\n"
)


def test_a_call_without_media_refuses_every_stream():
    session = NoMediaSession()
    assert isinstance(session, MediaSession)
    with pytest.raises(UsageError):
        session.answer(OFFER)
    session.open(None, "192.0.2.1")
    assert session.offer() is session.offer("sendonly") is None
    video = b"m=video 4002 RTP/AVP 31\r\n"
    answer = SessionDescription.parse(session.answer(OFFER + video))
    assert [(one.media, one.port) for one in answer.media] == [("audio", 0), ("video", 0)]
    again = SessionDescription.parse(session.answer(OFFER))
    assert again.origin.session_id == answer.origin.session_id
    assert again.origin.version == answer.origin.version + 1  # RFC 3264 section 8
    with pytest.raises(ParseError):
        session.answer(b"no description")
    session.accept(b"whatever")
    session.start()
    session.start(early=True)
    session.update()
    with pytest.raises(UsageError, match="no setting codecs"):
        session.update(codecs=["PCMA"])
    session.rollback()
    session.stop()
    session.stop()


def test_a_party_without_media_loads_none_of_it():
    program = """
import sys
from sipparty.parties import NoMediaSimpleCallsParty
assert "sipparty.sdp" not in sys.modules
NoMediaSimpleCallsParty("alice@example.com")
print(*sorted(name for name in sys.modules if name.startswith("sipparty.media")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["sipparty.media", "sipparty.media.session"], done.stderr


def test_the_package_has_its_names_and_no_other():
    import sipparty.media
    from sipparty.media.playing.sources import ToneSource

    vars(sipparty.media).pop("ToneSource", None)
    assert sipparty.media.ToneSource is ToneSource

    with pytest.raises(AttributeError, match="no attribute 'Deck'"):
        _ = sipparty.media.Deck


def test_what_offers_says_so():
    class Text(MediaSession):
        def offer(self, direction=None):
            return b"text"

    class Loud(NoMediaSession):
        def offer(self, direction=None):
            return b"noise"

    class Deaf(NoMediaSession):
        def answer(self, offer):
            return b""

    kinds = (MediaSession, Text, NoMediaSession, Loud, Deaf)
    assert [kind.offers for kind in kinds] == [True, True, False, True, False]

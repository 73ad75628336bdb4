"""Music on hold, and ringback."""

import pytest

from sipparty.errors import MediaError, UsageError
from sipparty.media.audio import Audio
from sipparty.media.events import MediaStarted
from sipparty.media.holding import HoldMusic
from sipparty.media.inputs import JOINED, RankedInputs
from sipparty.media.playing.sources import MemorySource
from sipparty.media.ringback import Ringback
from sipparty.sip.events import CallEnded, CallEstablished, CallHeld, CallResumed

from .lines import FakeCall, FakeInput, FakeLine, flat


@pytest.fixture
def call():
    call = FakeCall(FakeLine())
    call.line.portal = call.portal = None
    return call


def held(call, by="local"):
    call.hand(CallHeld(None, call, by))


def resumed(call, by="local"):
    call.hand(CallResumed(None, call, by))


def music():
    """Three frames, over and over."""
    return MemorySource(flat(5, 480), 8000)


class TestHoldMusic:
    def test_from_the_hold_to_its_end(self, call):
        hold = HoldMusic(call)
        hold.prepare(music())
        assert call.line.send() is None
        held(call)
        assert hold.playing
        assert call.line.send() == flat(5)
        resumed(call)
        assert not hold.playing
        call.line.send()  # what was cut is brought to silence
        assert call.line.send() is None

    def test_again(self, call):
        hold = HoldMusic(call)
        for _ in range(2):
            hold.prepare(music())
            held(call)
            assert call.line.send() == flat(5)
            hold.prepare(music())
            assert call.line.send() == flat(5)
            resumed(call)

    def test_a_hold_of_the_other_sides_is_not_ours(self, call):
        hold = HoldMusic(call)
        hold.prepare(music())
        held(call, "remote")
        assert call.line.send() is None
        held(call)
        resumed(call, "remote")
        assert call.line.send() == flat(5)

    def test_what_comes_before_it_and_what_does_not(self, call):
        RankedInputs.of(call.line).add(FakeInput(flat(1)), JOINED)
        hold = HoldMusic(call)
        hold.prepare(music())
        held(call)
        assert call.line.send() == flat(5)
        audio = Audio()
        audio.attach(call.line)
        audio.send(flat(7), rate=8000)
        assert call.line.send() == flat(7)
        resumed(call)
        call.line.send()
        assert call.line.send() == flat(1)

    def test_the_end_of_the_call(self, call):
        hold = HoldMusic(call)
        hold.prepare(music())
        held(call)
        call.hand(CallEnded(None, call, None))
        assert not hold.playing
        assert not call.handlers

    def test_what_cannot_be_played(self, call, tmp_path):
        with pytest.raises(MediaError):
            HoldMusic(call).prepare(tmp_path / "missing.wav")
        with pytest.raises(UsageError):
            HoldMusic(call).prepare(object())

    def test_without_media(self):
        call = FakeCall()
        hold = HoldMusic(call)
        hold.prepare(music())
        held(call)
        assert not hold.playing


class TestRingback:
    @pytest.mark.parametrize("kind", [MediaStarted, CallEstablished, CallEnded])
    def test_it_stops_with_what_becomes_of_the_other_call(self, kind):
        class Playback:
            stopped = 0

            def stop(self):
                self.stopped += 1

        playback, other = Playback(), FakeCall()
        other.state = "InitiatingDialog"
        Ringback(playback, other)
        assert not playback.stopped
        event = {
            MediaStarted: MediaStarted("PCMU", None),
            CallEstablished: CallEstablished(None, other),
            CallEnded: CallEnded(None, other, None),
        }[kind]
        other.hand(event)
        assert playback.stopped == 1
        assert not other.handlers

    def test_a_call_that_does_not_ring_any_more(self):
        class Playback:
            stopped = False

            def stop(self):
                self.stopped = True

        playback = Playback()
        Ringback(playback, FakeCall())
        assert playback.stopped

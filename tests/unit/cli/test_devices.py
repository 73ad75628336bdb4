"""Microphone and loudspeaker, with a sound library that stands in for a sound card."""

import sys
import types

import pytest

from sipparty.cli.devices import Loudspeaker, Microphone
from sipparty.errors import MediaError
from sipparty.media import Sink, Source


class Stream:
    made = []

    def __init__(self, **options):
        self.options = options
        self.state = "made"
        self.made.append(self)

    def start(self):
        self.state = "started"

    def close(self):
        self.state = "closed"


@pytest.fixture
def card(monkeypatch):
    library = types.ModuleType("sounddevice")
    library.RawInputStream = library.RawOutputStream = Stream
    library.check_output_settings = lambda **options: None
    library.PortAudioError = type("PortAudioError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    monkeypatch.setattr(Stream, "made", [])
    return library


def test_a_microphone_gives_what_it_hears_and_silence_after_it(card):
    microphone = Microphone()
    assert isinstance(microphone, Source)
    (stream,) = Stream.made
    assert stream.state == "started"
    assert stream.options["samplerate"] == microphone.rate == 8000
    stream.options["callback"](b"\x01\0\x02\0", 2, None, None)
    assert microphone.read(3) == b"\x01\0\x02\0\0\0"
    microphone.close()
    microphone.close()
    assert stream.state == "closed"


def test_a_loudspeaker_has_what_is_written(card):
    loudspeaker = Loudspeaker()
    assert isinstance(loudspeaker, Sink)
    loudspeaker.close()
    loudspeaker.start(16000)
    (stream,) = Stream.made
    assert stream.options["samplerate"] == 16000
    loudspeaker.write(b"\x01\0\x02\0")
    heard = bytearray(6)
    stream.options["callback"](heard, 3, None, None)
    assert heard == b"\x01\0\x02\0\0\0"
    loudspeaker.close()
    assert stream.state == "closed"


def test_what_waits_is_bounded(card):
    microphone = Microphone()
    for _ in range(100):
        Stream.made[0].options["callback"](bytes(1600), 800, None, None)
    assert len(microphone._waiting._waiting) == 3200


def test_a_device_that_cannot_be_used(card, monkeypatch):
    def fail(self):
        raise card.PortAudioError("no default device")

    monkeypatch.setattr(Stream, "start", fail)
    with pytest.raises(MediaError, match="python -m sounddevice"):
        Microphone()
    assert Stream.made[0].state == "closed"


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MediaError, match=r"sipparty\[sound\]"):
        Microphone()
    with pytest.raises(MediaError, match=r"sipparty\[sound\]"):
        Loudspeaker()

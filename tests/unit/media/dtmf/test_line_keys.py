import threading

import pytest

from sipparty.media.dtmf import line_keys
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.line_keys import ToneListener, cancel_keys, send_events, send_tones
from sipparty.media.dtmf.tones import tone
from sipparty.media.frames import AudioFrame
from sipparty.media.inputs import SENT, RankedInputs


class Input:
    def __init__(self):
        self.asked = 0

    def next_frame(self, samples, rate):
        self.asked += 1
        return b"\x01\x00" * samples


class Line:
    """A line whose thread is the test's."""

    stream = tones = None

    def __init__(self):
        self.input = self.own = Input()
        self.media_loop = self

    def post(self, function):
        function()

    def sent(self, frames):
        return b"".join(self.input.next_frame(160, 8000) for _ in range(frames))


AUDIO = b"\x01\x00" * 160


def test_tones_take_the_place_of_the_input_and_give_it_back():
    line, said = Line(), []
    send_tones(line, plan("1", 0.04, 0.06), lambda: said.append("done"))
    assert line.sent(5) == tone("1", 320, 8000) + bytes(960)
    assert (line.own.asked, said) == (0, [])
    assert line.sent(1) == AUDIO
    assert (line.own.asked, said) == (1, ["done"])
    assert line.input._inputs == (line.own,)


def test_more_tones_follow():
    line = Line()
    send_tones(line, plan("1", 0.04, 0.04), lambda: None)
    send_tones(line, plan("2", 0.04, 0.04), lambda: None)
    assert line.sent(8) == b"".join(tone(key, 320, 8000) + bytes(640) for key in "12")
    assert line.sent(1) == AUDIO


def test_cancelled_tones_are_no_more():
    line, said = Line(), []
    first, second = (lambda: said.append(1)), (lambda: said.append(2))
    send_tones(line, plan("1", 0.04, 0.04), first)
    send_tones(line, plan("2", 0.04, 0.04), second)
    line.sent(1)
    cancel_keys(line, first)
    assert line.sent(4) == tone("2", 320, 8000) + bytes(640)
    assert (line.sent(1), said) == (AUDIO, [2])


def test_tones_come_before_other_inputs_and_may_come_again():
    line = Line()
    send_tones(line, plan("1", 0.04, 0.04), lambda: None)
    RankedInputs.of(line).add(Input(), SENT)
    assert line.sent(4) == tone("1", 320, 8000) + bytes(640)
    line.sent(1)
    send_tones(line, plan("2", 0.04, 0.04), lambda: None)
    assert line.sent(4) == tone("2", 320, 8000) + bytes(640)


def test_without_a_stream_events_fail():
    said = []
    send_events(Line(), plan("1"), lambda: said.append("done"), lambda: said.append("failed"))
    assert said == ["failed"]


# Found.


class Worker:
    def __init__(self):
        self.given = []

    def give(self, listener):
        self.given.append(listener)


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(line_keys, "_worker", Worker())
    return line_keys._worker


def frames(pcm, rate=8000):
    size = 2 * rate // 50
    return [AudioFrame(pcm[start : start + size], rate) for start in range(0, len(pcm), size)]


def test_tones_are_found_elsewhere(worker):
    events = []
    listener = ToneListener(events.append)
    for frame in frames(tone("3", 640, 8000) + bytes(1600)):
        listener.hear(frame)
    assert events == []
    assert set(worker.given) == {listener}
    listener.work()
    assert [(type(one).__name__, one.digit) for one in events] == [
        ("DigitReceived", "3"),
        ("DigitEnded", "3"),
    ]


def test_work_is_asked_for_every_second_frame(worker):
    listener = ToneListener(lambda event: None)
    for count in range(1, 7):
        listener.hear(AudioFrame(bytes(320), 8000))
        assert len(worker.given) == count // 2
        if count % 2 == 0:
            listener.work()


def test_another_rate_ends_the_key(worker):
    events = []
    listener = ToneListener(events.append)
    for frame in [*frames(tone("3", 640, 8000)), *frames(tone("4", 1280, 16000), 16000)]:
        listener.hear(frame)
    listener.work()
    assert [(type(one).__name__, one.digit) for one in events] == [
        ("DigitReceived", "3"),
        ("DigitEnded", "3"),
        ("DigitReceived", "4"),
    ]


def test_what_is_too_much_is_dropped(worker):
    listener = ToneListener(lambda event: None)
    for _ in range(103):
        listener.hear(AudioFrame(bytes(320), 8000))
    assert listener.dropped == 3
    listener.work()
    listener.hear(AudioFrame(bytes(320), 8000))
    assert listener.dropped == 3


def test_one_that_breaks_does_not_end_the_work_for_others(caplog):
    """The thread is one for all calls."""
    worked = threading.Event()

    class Broken:
        def work(self):
            raise RuntimeError("broken")

    class Whole:
        def work(self):
            worked.set()

    worker = line_keys._Worker()
    worker.give(Broken())
    worker.give(Whole())
    assert worked.wait(10)
    assert "broken" in caplog.text

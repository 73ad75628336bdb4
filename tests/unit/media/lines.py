"""A line and a call for tests of what uses them, without packets."""

import array
import math

from sipparty.media.events import MediaStarted
from sipparty.media.frames import AudioFrame
from sipparty.sip.events import CallEnded


def tone(level, samples=160, hertz=400, rate=8000, start=0):
    """A tone whose peak is `level`."""
    angle = 2 * math.pi * hertz / rate
    values = [round(level * math.sin(angle * (start + n))) for n in range(samples)]
    return array.array("h", values).tobytes()


def flat(level, samples=160):
    """Samples that are all alike."""
    return array.array("h", [level] * samples).tobytes()


class FakeInput:
    """Plays one frame over and over; nothing where it is None."""

    def __init__(self, pcm=None):
        self.pcm = pcm

    def next_frame(self, samples, rate):
        return self.pcm


class FakeLine:
    """Listeners and an input, driven by hand."""

    def __init__(self, rate=8000, played=None):
        self.rate = rate
        self.input = FakeInput(played)
        self.stream = None
        self.started = False
        self.listeners = []
        self.sent_listeners = []
        self.sequence = 0
        self.time = 0.0

    def add_listener(self, listener, *, sent=False):
        (self.sent_listeners if sent else self.listeners).append(listener)

    def remove_listener(self, listener):
        for several in (self.listeners, self.sent_listeners):
            several[:] = [one for one in several if one is not listener]

    def hear(self, pcm, *, concealed=False):
        """Have a frame come from the other side."""
        self.started = True
        frame = AudioFrame(pcm, self.rate, self.time, self.sequence, concealed)
        self.time += frame.duration
        self.sequence += 1
        for listener in list(self.listeners):
            listener.hear(frame)
        return frame

    def send(self, samples=None):
        """What it sends in a frame of 20 ms."""
        pcm = self.input.next_frame(samples or self.rate // 50, self.rate)
        for listener in list(self.sent_listeners):
            listener.hear(AudioFrame(pcm or b"", self.rate))
        return pcm

    def end(self):
        for listener in list(self.listeners):
            if hasattr(listener, "line_ended"):
                listener.line_ended()
        self.listeners.clear()


class FakeSession:
    def __init__(self, line):
        self.lines = (line,)
        self.events = []

    def emit(self, event):
        self.events.append(event)


class FakeCall:
    """A call with a line, or without one yet."""

    final = ("Terminated", "Error")

    def __init__(self, line=None):
        self.session = None if line is None else FakeSession(line)
        self.state = "InDialog"
        self.handlers = []

    @property
    def line(self):
        return self.session.lines[0]

    def on(self, kind, handler):
        self.handlers.append((kind, handler))

    def off(self, kind, handler):
        self.handlers = [one for one in self.handlers if one != (kind, handler)]

    def emit(self, kind):
        event = MediaStarted("PCMU", None) if kind is MediaStarted else CallEnded(None, self, None)
        self.hand(event)

    def hand(self, event):
        """Hand an event to its handlers."""
        for wanted, handler in list(self.handlers):
            if isinstance(event, wanted):
                handler(event)

    def begin(self, line):
        """Get media."""
        self.session = FakeSession(line)
        line.started = True
        self.emit(MediaStarted)

    def end(self):
        """End, and the line with it."""
        self.state = "Terminated"
        self.emit(CallEnded)
        if self.session is not None:
            self.line.end()

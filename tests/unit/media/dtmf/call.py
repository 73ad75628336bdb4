"""A call as the keys of one see it, in virtual time."""

from types import SimpleNamespace

from sipparty.concurrency.waiting import Watchable
from sipparty.errors import CallFailed
from sipparty.fsm import Timers
from sipparty.media.dtmf.digits import CallDigits
from sipparty.media.dtmf.events import DigitEnded, DigitReceived


class Request(Watchable):
    """An INFO that waits for its response."""

    def __init__(self, body, content_type):
        self.body, self.content_type = body, content_type
        self.response = self.error = None
        self.state = self._entered = "Waiting"
        self._portal = self._watchers = None

    def settled(self, state):
        return state != "Waiting"

    def answer(self, status, reason=""):
        self.response = SimpleNamespace(status=status, reason=reason)
        self._settle()

    def fail(self, words):
        self.error = CallFailed(words)
        self._settle()

    def _settle(self):
        self.state = "Answered"
        self._notify()


class Call(Watchable):
    final = ("Terminated", "Error")

    def __init__(self):
        self.state = self._entered = "InDialog"
        self._portal = self._watchers = None
        self.events = []
        self.requests = []
        self.refuses = None
        self.takes_info = False
        self.session = None
        self.core = SimpleNamespace(emit=self.events.append, timers=Timers(100.0), watch=None)
        self.agent = SimpleNamespace(observed=True)
        self.digits = CallDigits(self)

    @property
    def now(self):
        return self.core.timers.now - 100.0

    def wait(self, seconds):
        """Let time pass, and what is due in it happen."""
        timers = self.core.timers
        until = timers.now + seconds
        while (due := timers.next_timer()) is not None and due <= until:
            timers.handle_timers(due)
        timers.handle_timers(until)

    def press(self, keys, method="rtp"):
        for key in keys:
            self.digits.hear(DigitReceived(key, method))
            self.digits.hear(DigitEnded(key, method, 0.1))

    def hang_up(self):
        self.state = "Terminated"
        self._notify()

    def info(self, body, content_type):
        if self.refuses is not None:
            raise self.refuses
        self.requests.append(Request(body, content_type))
        return self.requests[-1]


class Prompt(Watchable):
    """Something that is played."""

    def __init__(self):
        self.state = self._entered = "playing"
        self._portal = self._watchers = None

    @property
    def done(self):
        return self.state != "playing"

    def stop(self):
        self.end("stopped")

    def end(self, state="ended"):
        self.state = state
        self._notify()

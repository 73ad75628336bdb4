"""Calls as the commands have them: taken, followed, told of, ended.

Laws:

* Everything that happens goes into one stream. The command's own thread takes from it, decides and
  prints; so what is printed is in order, and nothing needs a lock.
* Ctrl-C and SIGTERM go there too: the first has the calls hung up, a second ends the program.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sipparty.cli.screen import Screen, safe
from sipparty.concurrency.engine import Engine
from sipparty.concurrency.streams import Feed, Stream
from sipparty.errors import Timeout, UnexpectedInput
from sipparty.media import (
    MediaStarted,
    PlaybackEnded,
    RecordingFailed,
    RemoteFellSilent,
    RemoteLeft,
    SourceHeard,
)
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallProgressed,
    CallReceived,
    Event,
    MediaEvent,
)
from sipparty.trace import LOGGER, Ladder, MediaRecord, PcapWriter, WireRecord, summarise

__all__ = ["Phone", "Stopped", "Talk", "Traces"]

#: Seconds that a call may take to end once Ctrl-C was pressed.
_FAREWELL = 2.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user wants the command to end."""


class Phone(SingleRTPSessionSimplenParty):
    """A party whose events go into a stream, and that leaves all decisions to who reads it.

    Args:
        address: The address of record.
        options: Those of `Party`.
    """

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(address, **options)
        self.happened: Stream[Event | Stopped] = Stream(limit=100_000)
        self.configure(auto_answer=False)
        self.on(Event, Feed(self.happened, lambda event: event))

    @contextmanager
    def interruptible(self) -> Generator[None, None, None]:
        """Have Ctrl-C and SIGTERM put `Stopped` into the stream, once; then they raise
        `KeyboardInterrupt`, and nothing is waited for any more.
        """

        def stop(*_: object) -> None:
            for kind in before:
                signal.signal(kind, end)
            self.happened.put(Stopped())

        def end(*_: object) -> None:
            Phone.FAREWELL = Engine.FAREWELL = 0.0
            raise KeyboardInterrupt

        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, stop) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


class Traces:
    """The taps on the wire that the options ask for, for the length of a `with` block.

    Args:
        wire: The wire.
        us: What the ladder calls our end.
        ladder: Whether a ladder is wanted.
        pcap: The capture file; None for none.
        verbose: Whether messages are shown, on standard error.
    """

    def __init__(
        self, wire: Any, us: str, ladder: bool, pcap: PcapWriter | None, verbose: bool
    ) -> None:
        self.ladder = Ladder() if ladder else None
        self._us = us
        self._stack = ExitStack()
        if pcap is not None:
            self._stack.enter_context(pcap)
        for tap in (self.ladder, pcap):
            if tap is not None:
                self._stack.enter_context(wire.tapped(tap))
        if verbose:
            logger, handler = logging.getLogger(LOGGER), logging.StreamHandler()
            handler.setFormatter(logging.Formatter("%(message)s\n"))
            self._stack.callback(logger.setLevel, logger.level)
            self._stack.callback(logger.removeHandler, handler)
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def note_media(self, call: Any, answered_at: float) -> None:
        """Have the ladder show the media of a call that is over."""
        session = call.session
        if self.ladder is None or session is None or not session.negotiated or not answered_at:
            return
        mine = [
            (record, found.method)
            for record in self.ladder
            if isinstance(record, WireRecord)
            and (found := summarise(record.data)) is not None
            and found.call_id == call.call_id
        ]
        if not mine:
            return
        byes = [record.time for record, method in mine if method == "BYE"]
        over = min(byes, default=time.time()) - 1e-6
        first, stats = mine[0][0], session.statistics
        counts = stats.packets_sent, stats.packets_received, max(0, stats.lost)
        codec = session.negotiated.formats[0].encoding
        length = over - answered_at
        self.ladder(
            MediaRecord(over, first.local, first.remote, *counts, codec, length, call.call_id)
        )

    def show(self, screen: Screen) -> None:
        """Draw the ladder."""
        if self.ladder is None:
            return
        for record in self.ladder:
            if isinstance(record, WireRecord):
                self.ladder.names[record.local] = self._us
        screen.title("The messages")
        screen.ladder(self.ladder)


class Talk:
    """Calls from the first event to the last, any number at a time.

    Args:
        screen: Where to print what happens.
        phone: Whose calls.
        traces: What is kept of the wire.
        duration: Seconds of talk; None for no limit.
        until_played: Whether to hang up at the end of the clip.
        take: Decides on a call that comes, given its number and what lines about it begin with.
        once: Whether to come to an end after the first call.

    Attributes:
        answered: How many calls were.
        error: Why the last call failed; None where it did not.
    """

    def __init__(
        self,
        screen: Screen,
        phone: Phone,
        traces: Traces,
        *,
        duration: float | None,
        until_played: bool = False,
        take: Callable[[Any, int, str], None] | None = None,
        once: bool = True,
    ) -> None:
        self.screen = screen
        self.phone = phone
        self.answered = 0
        self.error: Exception | None = None
        self._traces = traces
        self._duration = duration
        self._until_played = until_played
        self._take = take
        self._once = once
        self._received = 0
        self._numbers: dict[Any, int] = {}
        self._answered_at: dict[Any, float] = {}
        self._deadlines: dict[Any, float] = {}
        self._ours: set[Any] = set()  # the calls that we have ended

    def run(self, *calls: Any) -> None:
        """Follow these calls, and those that come, until the end."""
        give_up_at = None
        self._numbers.update(dict.fromkeys(calls, 0))
        while give_up_at is None or self._numbers:
            due = [*self._deadlines.values(), *([] if give_up_at is None else [give_up_at])]
            timeout = max(0.0, min(due) - time.monotonic()) if due else None
            try:
                happened = self.phone.happened.next(timeout)
            except Timeout:
                if give_up_at is not None and time.monotonic() >= give_up_at:
                    return
                self._hang_up_those_due()
                continue
            if isinstance(happened, Stopped):
                if self._take is not None:
                    self.screen.line("no more calls: hanging up")
                give_up_at = time.monotonic() + _FAREWELL
                for call in list(self._numbers):
                    words = "hanging up" if call in self._answered_at else "giving up"
                    self._hang_up(call, words if self._take is None else "")
            elif isinstance(happened, CallEnded) and happened.call in self._numbers:
                self._end(happened.call, happened.error)
                if self._once:
                    return
            else:
                self._note(happened)

    def _note(self, happened: object) -> None:
        match happened:
            case CallReceived(call=call) if self._take is not None:
                self._received += 1
                self._numbers[call] = self._received
                prefix = self._prefix(call)
                self.screen.line(f"{prefix}from {safe(call.remote and call.remote.uri)}")
                try:
                    self._take(call, self._received, prefix)
                except UnexpectedInput:
                    pass  # the caller gave up meanwhile, which is an event of its own
            case CallProgressed(response=response):
                self.screen.line(safe(f"{response.status} {response.reason}"))
            case CallEstablished(call=call):
                self.answered += 1
                self._answered_at[call] = time.time()
                if self._duration is not None:
                    self._deadlines[call] = time.monotonic() + self._duration
                if self._take is None:
                    self.screen.line("answered", "green")
            case MediaEvent(call=call):
                text = _media_words(happened, call in self._ours)
                if text:
                    self.screen.line(self._prefix(call) + text)
                if isinstance(happened, PlaybackEnded) and self._until_played:
                    self._hang_up(call, "hanging up")

    def _prefix(self, call: Any) -> str:
        number = self._numbers.get(call, 0)
        return f"call {number}: " if number else ""

    def _hang_up_those_due(self) -> None:
        now = time.monotonic()
        for call, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[call]
                self._hang_up(call, "the time is over: hanging up")

    def _hang_up(self, call: Any, words: str) -> None:
        self._deadlines.pop(call, None)
        if call in self._ours:
            return
        self._ours.add(call)
        try:
            call.terminate()
        except UnexpectedInput:
            return  # the other side was first, which is an event of its own
        if words:
            self.screen.line(self._prefix(call) + words)

    def _end(self, call: Any, error: Exception | None) -> None:
        prefix = self._prefix(call)
        session = call.session
        if session is not None and session.negotiated is not None:
            stats = session.statistics
            text = f"{stats.packets_sent} packets sent, {stats.packets_received} received"
            text += f", {max(0, stats.lost)} lost, jitter {stats.jitter * 1000:.1f} ms"
            if stats.remote is not None:
                text += f"; the other side reported {max(0, stats.remote.lost)} lost"
            self.screen.line(prefix + text)
        answered_at = self._answered_at.pop(call, 0.0)
        self._traces.note_media(call, answered_at)
        self._deadlines.pop(call, None)
        self._numbers.pop(call, None)
        self.error = error
        who = ": the other side hung up" if answered_at and call not in self._ours else ""
        if error is None and (prefix or answered_at):
            self.screen.line(f"{prefix or 'the call is '}over{who}", "green")
        elif prefix:
            self.screen.line(f"{prefix}failed: {safe(error, 400)}", "red")
        self._ours.discard(call)


def _media_words(event: MediaEvent, ours: bool) -> str:
    """What is printed of a media event; "" for nothing.

    Args:
        event: The event.
        ours: Whether we have ended the call.
    """
    match event:
        case MediaStarted(codec=""):
            return "no stream was agreed on"
        case MediaStarted(codec=codec, remote=remote):
            return f"sending {codec}" + (f" to {remote[0]} port {remote[1]}" if remote else "")
        case SourceHeard(address=remote):
            return f"hearing {remote[0]} port {remote[1]}"
        case RemoteFellSilent(seconds=seconds):
            return f"nothing was heard for {seconds:.0f} s"
        case RemoteLeft(reason=reason) if not ours:
            return "the other side stopped sending" + (f": {safe(reason)}" if reason else "")
        case PlaybackEnded(playback=playback) if playback.outcome != "stopped":
            return f"the clip is over ({playback.outcome})"
        case RecordingFailed(error=error):
            return f"the recording failed: {error}"
        case _:
            return ""  # a playback that is stopped by the end of the call, as well

"""Calls as the commands have them: taken, followed, ended.

Laws:

* The first Ctrl-C has the calls hung up; one that has not ended 2 s later is not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from sipparty.cli.output import Output, safe
from sipparty.cli.phone import Phone, Stopped
from sipparty.errors import Timeout, UnexpectedInput
from sipparty.media import (
    MediaStarted,
    PlaybackEnded,
    RecordingFailed,
    RemoteFellSilent,
    RemoteLeft,
    SourceHeard,
)
from sipparty.sip.events import (
    CallEnded,
    CallEstablished,
    CallEvent,
    CallProgressed,
    CallReceived,
    MediaEvent,
)

__all__ = ["Talk"]

#: Seconds between two looks at the clock.
_SHOWN = 1.0
#: Seconds that a call may take to end once Ctrl-C was pressed.
_CLOSE_TIMEOUT = 2.0


@dataclass(slots=True)
class _Followed:
    """What is known of a call: its number, when it was answered and is to end, who ended it."""

    prefix: str = ""
    answered_at: float = 0.0
    deadline: float = inf
    ended_by_us: bool = False


class Talk:
    """Calls from the first event to the last, any number at a time.

    Args:
        out: Where to print what happens.
        phone: Whose calls.
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
        out: Output,
        phone: Phone,
        *,
        duration: float | None,
        until_played: bool = False,
        take: Callable[[Any, int, str], None] | None = None,
        once: bool = True,
    ) -> None:
        self.out = out
        self.phone = phone
        self.answered = 0
        self.error: Exception | None = None
        self._duration = duration
        self._until_played = until_played
        self._take = take
        self._once = once
        self._received = 0
        self._calls: dict[Any, _Followed] = {}

    def run(self, *calls: Any) -> None:
        """Follow these calls, and those that come, until the end."""
        with self.out.status(self._say()) as say:
            self._follow(calls, say)

    def _say(self) -> str:
        """What is under way."""
        up = [one.answered_at for one in self._calls.values() if one.answered_at]
        if not up:
            return "calling" if self._calls else "waiting for calls"
        minutes, seconds = divmod(round(time.time() - min(up)), 60)
        return f"{len(up)} call{'s' * (len(up) > 1)}, {minutes}:{seconds:02}; Ctrl-C hangs up"

    def _follow(self, calls: Iterable[Any], say: Callable[[str], None]) -> None:
        give_up_at = inf
        self._calls.update({call: _Followed() for call in calls})
        while give_up_at == inf or self._calls:
            due = min([give_up_at, *(one.deadline for one in self._calls.values())])
            say(self._say())
            try:
                left = max(0.0, due - time.monotonic())
                happened = self.phone.happened.next(min(left, _SHOWN))
            except Timeout:
                if time.monotonic() >= give_up_at:
                    return
                for call, one in self._calls.items():
                    if one.deadline <= time.monotonic():
                        self._hang_up(call, one, "the time is over: hanging up")
                continue
            if isinstance(happened, Stopped):
                if self._take is not None:
                    self.out.event("stopping", "no more calls: hanging up")
                give_up_at = time.monotonic() + _CLOSE_TIMEOUT
                for call, one in self._calls.items():
                    self._hang_up(call, one, "hanging up" if one.answered_at else "giving up")
            elif isinstance(happened, CallReceived) and self._take is not None:
                self._receive(happened.call)
            elif isinstance(happened, CallEvent) and happened.call in self._calls:
                one = self._calls[happened.call]
                self._note(happened, one)
                if isinstance(happened, CallEnded):
                    self._end(happened, one)
                    if self._once:
                        return

    def _receive(self, call: Any) -> None:
        assert self._take is not None
        self._received += 1
        self._calls[call] = one = _Followed(f"call {self._received}: ")
        caller = str(call.remote.uri)
        self.out.event(
            "received", f"{one.prefix}from {safe(caller)}", call=call.call_id, caller=caller
        )
        try:
            self._take(call, self._received, one.prefix)
        except UnexpectedInput:
            pass  # the caller gave up meanwhile, which is an event of its own

    def _note(self, happened: CallEvent, one: _Followed) -> None:
        call_id = happened.call.call_id
        match happened:
            case CallProgressed(response=response):
                self.out.event(
                    "progress",
                    safe(f"{response.status} {response.reason}"),
                    call=call_id,
                    status=response.status,
                    reason=response.reason,
                )
            case CallEstablished():
                self.answered += 1
                one.answered_at = time.time()
                if self._duration is not None:
                    one.deadline = time.monotonic() + self._duration
                text = "answered" if self._take is None else ""
                self.out.event("answered", text, "green", call=call_id)
            case MediaEvent(call=call):
                text = _media_words(happened, one.ended_by_us)
                if text:
                    self.out.event("media", one.prefix + text, call=call_id, what=text)
                if isinstance(happened, PlaybackEnded) and self._until_played:
                    self._hang_up(call, one, "hanging up")

    def _hang_up(self, call: Any, one: _Followed, words: str) -> None:
        one.deadline = inf
        if not one.ended_by_us:
            one.ended_by_us = True
            try:
                call.terminate()
            except UnexpectedInput:
                return  # the other side was first, which is an event of its own
            self.out.event("hangup", one.prefix + words, call=call.call_id)

    def _end(self, happened: CallEnded, one: _Followed) -> None:
        call, prefix = happened.call, one.prefix
        session: Any = call.session
        facts: dict[str, Any] = {"call": call.call_id, "answered": bool(one.answered_at)}
        if session is not None and session.negotiated is not None:
            stats = session.statistics
            text = f"{stats.packets_sent} packets sent, {stats.packets_received} received"
            text += f", {max(0, stats.lost)} lost, jitter {stats.jitter * 1000:.1f} ms"
            if stats.remote is not None:
                text += f"; the other side reported {max(0, stats.remote.lost)} lost"
            self.out.event("statistics", prefix + text, call=call.call_id, what=text)
            facts |= {"packets_sent": stats.packets_sent, "lost": max(0, stats.lost)}
            facts |= {"packets_received": stats.packets_received, "jitter": stats.jitter}
        del self._calls[call]
        self.error = happened.error
        facts["ended_by"] = "us" if one.ended_by_us else "them"
        if one.answered_at:
            facts["seconds"] = round(time.time() - one.answered_at, 3)
        if self.error is not None:
            facts |= {"error": str(self.error), "status": getattr(self.error, "status", None)}
        words, style = "", "green"
        if self.error is None and (prefix or one.answered_at):
            who = ": the other side hung up" if one.answered_at and not one.ended_by_us else ""
            words = f"{prefix or 'the call is '}over{who}"
        elif prefix:
            words, style = f"{prefix}failed: {safe(self.error, 400)}", "red"
        self.out.event("ended", words, style, **facts)


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

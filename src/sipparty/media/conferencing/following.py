"""The line of a call that carries its audio, followed through the life of the call.

Laws:

* A call may have no session yet, and may get another one before its media begins, as where it is
  called by another route. Who follows it is given the line that is, and each one that starts.
* It is the end when a line that was started ends, or the call without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError
from sipparty.media.events import MediaStarted
from sipparty.sip.events import CallEnded, Event

if TYPE_CHECKING:
    from sipparty.media.frames import AudioFrame

__all__ = ["Follower", "audio_line", "check_call", "unsubscribe"]


def check_call(call: Any) -> None:
    """See that something is a call.

    Raises:
        UsageError: It is none.
    """
    if not (hasattr(call, "session") and callable(getattr(call, "on", None))):
        raise UsageError(f"{call!r:.80} is no call, such as invite() and incoming() give.")


def audio_line(call: Any) -> Any:
    """Return the first line of a call's media; None where it has none yet, or none with audio."""
    lines = getattr(call.session, "lines", ())
    return lines[0] if lines else None


def unsubscribe(call: Any, handler: Callable[[Any], object], *kinds: type[Event]) -> None:
    """Take a handler from a call, on the engine's thread: at once there, else soon, as a media loop
    does not wait for it.
    """

    def off() -> None:
        for kind in kinds:
            call.off(kind, handler)

    post = getattr(getattr(call, "portal", None), "post", None)
    if post is None:
        off()
    else:
        post(off)


class Follower:
    """Follows the line of one call.

    Args:
        call: The call.
        attach: Called with the line, now or once there is one, and with another one that takes its
            place; on the engine's thread, or the one that this is made on.
        end: Called once, when there will be none any more.

    Attributes:
        line: The line that it is attached to; None for none.
    """

    #: As a handler of events it is called at once.
    immediate = True

    def __init__(
        self, call: Any, attach: Callable[[Any], object], end: Callable[[], object]
    ) -> None:
        self.call = call
        self.line: Any = None
        self._attach = attach
        self._end: Callable[[], object] | None = end
        call.on(MediaStarted, self)
        call.on(CallEnded, self)
        self._look()
        if call.state in call.final:
            self._over(self.line)

    def __call__(self, event: Event) -> None:
        """Take an event of the call."""
        if isinstance(event, CallEnded):
            if self.line is None or not self.line.started:
                self._over(self.line)
        else:
            self._look()

    def _look(self) -> None:
        line = audio_line(self.call)
        if line is not None and line is not self.line and self._end is not None:
            if self.line is not None:
                self.line.remove_listener(self)
            self.line = line
            line.add_listener(self)
            self._attach(line)

    def _over(self, line: Any) -> None:
        end, self._end = self._end, None
        if end is not None:
            self.stop()
            end()

    def hear(self, frame: AudioFrame, /) -> None:
        """Do nothing with it: it listens for the end."""

    def line_ended(self) -> None:
        """The line has ended; it calls this."""
        if self.line is None or self.line.started:
            self._over(self.line)

    def stop(self) -> None:
        """Follow it no more; nothing is called from now on."""
        self._end = None
        unsubscribe(self.call, self, MediaStarted, CallEnded)
        if self.line is not None:
            self.line.remove_listener(self)

"""AudioCall: a call with sound, and the verbs for it.

They go to the call's media session, an `RTPSession`, and may be called on any thread. What takes
time gives a handle that can be waited for, in a thread or a coroutine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.errors import UsageError
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import Playback, RTPSession, Sink
    from sipparty.media.sinks import SinkLike
    from sipparty.media.sources import SourceLike

    _AudioCall = SimpleCall[RTPSession]
else:
    _AudioCall = SimpleCall

__all__ = ["AudioCall"]


class AudioCall(_AudioCall):
    """A call with audio; made by `party.invite` or, for the side that is called, by the stack."""

    __slots__ = ()

    def _media(self) -> RTPSession:
        """Return the media session.

        Raises:
            UsageError: The call has none yet: it is called, and was neither answered nor rung with
                media; or none any more.
        """
        session = self.session
        if session is None:
            raise UsageError(
                f"{self.name} has no media: it has some from accept(), or ring(media=True), on."
            )
        return session

    def play(self, what: SourceLike) -> Playback:
        """Play something to the other side, as `RTPSession.play` does."""
        return self._media().play(what)

    def record(self, what: SinkLike) -> Sink:
        """Record what is heard, as `RTPSession.record` does."""
        return self._media().record(what)

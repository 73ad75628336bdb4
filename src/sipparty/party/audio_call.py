"""AudioCall: a call with sound, and the verbs for it.

They go to the call's media session, an `RTPSession`, and may be called on any thread. What takes
time gives a handle that can be waited for, in a thread or a coroutine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.errors import UsageError
from sipparty.fsm import verb
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import Playback, RTPSession, Sink
    from sipparty.media.audio import Audio
    from sipparty.media.bridging import AudioBridge
    from sipparty.media.sinks import SinkLike
    from sipparty.media.sources import SourceLike
    from sipparty.sip.events import MediaEvent

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

    @property
    def audio(self) -> Audio:
        """The audio of the call, frame by frame: to be read, sent and tapped. It is there from the
        first, and flows when media does.
        """
        audio: Audio | None = self.__dict__.get("_audio")
        if audio is None:
            audio = self._make_audio()
        return audio

    @verb
    def _make_audio(self) -> Audio:
        audio: Audio | None = self.__dict__.get("_audio")
        if audio is None:
            from sipparty.media.audio import Audio
            from sipparty.media.following import Follower

            loop = getattr(self.portal, "loop", None)
            audio = self.__dict__["_audio"] = Audio(self.portal, self._emit_media, loop)
            Follower(self, audio.attach, audio.end)
        return audio

    def _emit_media(self, event: MediaEvent) -> None:
        if self.session is not None:
            self.session.emit(event)

    def bridge(self, other: SimpleCall[Any]) -> AudioBridge:
        """Have this call and another one hear each other, from now on or from when they have media.

        What either is sent by `play`, `audio.send` and music on hold comes before it. Digits do not
        pass, but as tones.

        Args:
            other: The other call, of any party and engine.

        Returns:
            A handle: `stop()` parts them, and leaving its `with` block does.

        Raises:
            UsageError: It is this call.
        """
        from sipparty.media.bridging import bridge

        return bridge(self, other)

    def play(self, what: SourceLike) -> Playback:
        """Play something to the other side, as `RTPSession.play` does."""
        return self._media().play(what)

    def record(self, what: SinkLike) -> Sink:
        """Record what is heard, as `RTPSession.record` does."""
        return self._media().record(what)

"""Music on hold: what the other side hears while we hold it.

Laws:

* It is heard from when the hold is agreed on to when its end is, where the hold is one in which we
  send ("sendonly").
* What is sent by `audio.send` and `play` meanwhile comes before it; what a bridge or a conference
  would have the call send does not.
* A file that cannot be played is refused at the hold.
"""

from __future__ import annotations

from typing import Any

from sipparty.media.conferencing.following import audio_line
from sipparty.media.inputs import HOLD, RankedInputs
from sipparty.media.playing.player import Player
from sipparty.sip.events import CallEnded, CallEvent, CallHeld, CallResumed, MediaEvent

__all__ = ["HoldMusic"]


class HoldMusic:
    """The music of one call, from the first time it is held on; made by `call.hold`.

    Args:
        call: The call.

    Attributes:
        playing: Whether the other side hears it now.
    """

    #: As a handler of events it is called at once.
    immediate = True

    def __init__(self, call: Any) -> None:
        self.playing = False
        self._call = call
        self._line: Any = None
        self._player: Player | None = None
        for kind in (CallHeld, CallResumed, CallEnded):
            call.on(kind, self)

    def prepare(self, what: Any) -> None:
        """Have something played in the next hold, over and over.

        Raises:
            MediaError: A file cannot be played.
            UsageError: It is none of what can be played.
        """
        if self.playing:
            return
        line = audio_line(self._call)
        if line is None:
            return
        self._drop()
        player = Player(_ignore)
        player.loop = getattr(self._call.portal, "loop", None)
        player.portal = line.portal
        if line.stream is not None:
            player.rate = line.stream.settings.codec.sample_rate
        player.play(what, loop=None)
        self._line, self._player = line, player

    def __call__(self, event: CallEvent) -> None:
        """Take an event of the call."""
        if isinstance(event, CallHeld) and event.by == "local":
            if self._player is not None:
                self.playing = True
                RankedInputs.of(self._line).add(self._player, HOLD)
        elif isinstance(event, CallEnded) or (
            isinstance(event, CallResumed) and event.by == "local"
        ):
            self.playing = False
            self._drop()
        if isinstance(event, CallEnded):
            for kind in (CallHeld, CallResumed, CallEnded):
                self._call.off(kind, self)

    def _drop(self) -> None:
        line, player = self._line, self._player
        self._line = self._player = None
        if player is not None:
            RankedInputs.of(line).remove(player)
            player.close()


def _ignore(event: MediaEvent) -> None:
    """Drop the events of the music; what breaks is logged."""

"""The ready-made parties.

* `SingleRTPSessionSimplenParty`, or `AudioParty` for short: calls with one RTP audio stream.
* `NoMediaSimpleCallsParty`: calls without media, to look at signalling.

What carries media is imported with the first party that has any, so that a program which only
signals starts faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipparty.party import Party
from sipparty.party.audio_call import AudioCall
from sipparty.sip import SimpleCall

if TYPE_CHECKING:
    from sipparty.media import NoMediaSession, RTPSession

    _AudioBase = Party[AudioCall, RTPSession]
    _NoMediaParty = Party[SimpleCall[NoMediaSession], NoMediaSession]
else:
    _AudioBase = _NoMediaParty = Party

__all__ = [
    "AllPartyTypes",
    "AudioParty",
    "NoMediaSimpleCallsParty",
    "SingleRTPSessionSimplenParty",
]


class _Late:
    """A class attribute that is a class of `sipparty.media`, imported when it is first read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        import sipparty.media

        return getattr(sipparty.media, self._name)


class SingleRTPSessionSimplenParty(_AudioBase):
    """A party whose calls carry one RTP audio stream, PCMU or PCMA (RFC 3551)."""

    ClientDialog = AudioCall
    ServerDialog = AudioCall
    MediaSession = _Late("RTPSession")


#: A short name for it.
AudioParty = SingleRTPSessionSimplenParty


class NoMediaSimpleCallsParty(_NoMediaParty):
    """A party whose calls carry no media: every stream that it is offered is refused."""

    ClientDialog = SimpleCall
    ServerDialog = SimpleCall
    MediaSession = _Late("NoMediaSession")


#: Every ready-made kind of party.
AllPartyTypes: list[type[Party[Any, Any]]] = [SingleRTPSessionSimplenParty, NoMediaSimpleCallsParty]

"""The ready-made parties.

* `SingleRTPSessionSimplenParty`, or `AudioParty` for short: calls with one RTP audio stream.
* `NoMediaSimpleCallsParty`: calls without media, to look at signalling.

What carries media is imported with the first call that wants it, so that a program which only
signals starts faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipparty.party import Party
from sipparty.sip import SimpleCall

__all__ = [
    "AllPartyTypes",
    "AudioParty",
    "NoMediaSimpleCallsParty",
    "SingleRTPSessionSimplenParty",
]


class _Late:
    """A class attribute whose value is found when it is first read."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __get__(self, instance: object, owner: type) -> Any:
        return self._find()


def _single_rtp_session() -> type:
    from sipparty.media import SingleRTPSession

    return SingleRTPSession


def _no_media_session() -> type:
    from sipparty.media import NoMediaSession

    return NoMediaSession


class SingleRTPSessionSimplenParty(Party):
    """A party whose calls carry one RTP audio stream, PCMU or PCMA (RFC 3551)."""

    ClientDialog = SimpleCall
    ServerDialog = SimpleCall
    MediaSession = _Late(_single_rtp_session)


#: A short name for it.
AudioParty = SingleRTPSessionSimplenParty


class NoMediaSimpleCallsParty(Party):
    """A party whose calls carry no media: every stream that it is offered is refused."""

    ClientDialog = SimpleCall
    ServerDialog = SimpleCall
    MediaSession = _Late(_no_media_session)


#: Every ready-made kind of party.
AllPartyTypes: list[type[Party]] = [SingleRTPSessionSimplenParty, NoMediaSimpleCallsParty]

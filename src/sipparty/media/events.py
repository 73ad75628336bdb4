"""What happens in the media of a call; handlers take it by `party.on` and `call.on`, as other
events.

    MediaStarted       packets flow from now on
    SecurityChanged    media is secure now, or no more, or in another way
    SourceHeard        the other side is heard: for the first time, after silence, or another source
    DestinationLearnt  media goes to where it comes from, or back to where it was asked for
    MediaUnproven      nothing is sent any more to an address from which nothing has come
    MediaProven        it is again: something has come from there
    RemoteFellSilent   nothing was heard for a while, where something should be
    OneWayAudio        one side is heard and the other is not
    WrongPayloadType   the other side sends what was not agreed on
    QualityChanged     what is heard became worse than a limit, or is better again
    MediaTimedOut      neither RTP nor RTCP came for so long that the call is to end
    RemoteLeft         the other side ended its stream (RTCP BYE)
    PlaybackStarted    the first sample of a source was sent
    MarkReached        a playback came to one of its marks
    SourceStarved      a source has had nothing to play for a while
    PlaybackEnded      a source gave its last sample, or was replaced, stopped or broken
    RecordingFailed    a sink could not take what was heard; the recording is over
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.media.rtp.source import Address
from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.errors import MediaError
    from sipparty.media.playing.playback import Playback
    from sipparty.media.recording.sinks import Sink
    from sipparty.sip.dialog.session import Session

__all__ = [
    "DestinationLearnt",
    "MarkReached",
    "MediaEvent",
    "MediaProven",
    "MediaStarted",
    "MediaTimedOut",
    "MediaUnproven",
    "OneWayAudio",
    "PlaybackEnded",
    "PlaybackStarted",
    "QualityChanged",
    "RecordingFailed",
    "RemoteFellSilent",
    "RemoteLeft",
    "SecurityChanged",
    "SessionOpened",
    "SourceHeard",
    "SourceStarved",
    "WrongPayloadType",
]


class SessionOpened(MediaEvent):
    """A media session has its ports, and is not described yet; for who watches (`Core.watch`).

    Args:
        session: The session.
    """

    session: Session


class MediaStarted(MediaEvent):
    """Packets flow from now on.

    Args:
        codec: Encoding name of what is sent; "" where no stream was agreed on.
        remote: Where it is sent to; None where that is to be learnt.
        security: The name of the SRTP suite that protects it; "" where it is not protected.
    """

    codec: str
    remote: Address | None
    security: str = ""


class SecurityChanged(MediaEvent):
    """Media is secure from now on, or no more, or in another way, as was agreed on anew.

    Args:
        security: The name of the SRTP suite; "" for none.
    """

    security: str


class SourceHeard(MediaEvent):
    """The other side is heard, for the first time, after silence, or from another source."""

    address: Address
    ssrc: int


class DestinationLearnt(MediaEvent):
    """Media goes to another address, without signalling: to where it comes from (RFC
    4961), or back to where it was asked for.

    Args:
        address: Where it goes now.
        signalled: Where the other side asked for it; None where that is not known.
    """

    address: Address
    signalled: Address | None


class MediaUnproven(MediaEvent):
    """Nothing is sent any more to an address that is not where the signalling comes from: nothing
    has come from there (`Policy.unproven_media`). The call stays.
    """

    address: Address


class MediaProven(MediaEvent):
    """Media is sent again after `MediaUnproven`: to an address from which something has come."""

    address: Address


class RemoteFellSilent(MediaEvent):
    """Nothing was heard for so many seconds, where something should be."""

    seconds: float


class OneWayAudio(MediaEvent):
    """Audio goes one way only.

    Args:
        heard: True where the other side is heard and reports that it hears nothing of us; False
            where we send and have heard nothing yet.
        reason: A sentence with what is known of it.
    """

    heard: bool
    reason: str


class WrongPayloadType(MediaEvent):
    """The other side sends packets of a payload type that was not agreed on, which are not played;
    once for each type.
    """

    payload_type: int
    reason: str


class QualityChanged(MediaEvent):
    """The mean opinion score that is expected of what is heard fell below the limit that was set
    (`mos_limit`), or rose above it again.

    Args:
        mos: Of the last seconds, 1 to 4.5.
        limit: What was set.
        good: Whether it is above the limit.
    """

    mos: float
    limit: float
    good: bool


class MediaTimedOut(MediaEvent):
    """Neither RTP nor RTCP came for so many seconds (`Policy.silent_media`): the call ends."""

    seconds: float


class RemoteLeft(MediaEvent):
    """The other side ended its stream, with or without a reason (RFC 3550 section 6.6)."""

    reason: str | None


class PlaybackStarted(MediaEvent):
    """The first sample of a playback was sent."""

    playback: Playback


class MarkReached(MediaEvent):
    """A playback came to one of its marks, in media time.

    Args:
        playback: The playback.
        mark: The name of the mark; its seconds where it has none.
        seconds: Where the mark is.
    """

    playback: Playback
    mark: str | float
    seconds: float


class SourceStarved(MediaEvent):
    """A playback has had nothing to send for so many seconds: its source is slow, or hangs. It
    goes on when the source does.
    """

    playback: Playback
    seconds: float


class PlaybackEnded(MediaEvent):
    """A playback is over; `playback.outcome` says how."""

    playback: Playback


class RecordingFailed(MediaEvent):
    """A sink could not take what was heard; the recording is over."""

    sink: Sink
    error: MediaError

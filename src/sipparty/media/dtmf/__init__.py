"""DTMF: the keys of a telephone, sent and received in every way that calls carry them.

    keys                 the characters, what `send_dtmf` takes
    events               `DigitReceived`, `DigitEnded`
    telephone_event      the payload of RFC 4733; `sending`, `receiving`: its two directions
    tones, detector      the tones of ITU-T Q.23, made and detected
    merging              one press that comes in two ways is one
    collector            digits that are collected, up to a number or an end key

These have no I/O, no thread and no clock: time is `now`, in seconds. With them, in a call:

    stream_keys          telephone events in the packets of one stream
    line_keys            keys on a line: as those, or as tones before its other inputs
    digits               what comes in every way, to handlers and to who collects
    gathering            the handle that `gather` and `ask` give
    dialing              `send_dtmf`: the way is chosen, and a handle

Importing this package loads none of them; each name is loaded from its module when it is first
used.
"""

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.media.dtmf.collector import Collection, Collector
    from sipparty.media.dtmf.detector import ToneDetector
    from sipparty.media.dtmf.events import DigitEnded, DigitReceived
    from sipparty.media.dtmf.receiving import EventReceiver
    from sipparty.media.dtmf.sending import EventSender
    from sipparty.media.dtmf.telephone_event import TelephoneEvent
    from sipparty.media.dtmf.tones import tone

__all__ = [
    "Collection",
    "Collector",
    "DigitEnded",
    "DigitReceived",
    "EventReceiver",
    "EventSender",
    "TelephoneEvent",
    "ToneDetector",
    "tone",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(
        globals(), "keys events telephone_event sending receiving tones detector collector"
    )

"""What is reported of keys that the other side presses.

Laws:

* Each press is one `DigitReceived` and, after it, one `DigitEnded`, whichever way it came: whoever
  answers to keys handles the first, whoever wants to know how long one was held, the second.
* `DigitReceived` comes as soon as it is certain that a key is pressed: with the first packet of a
  telephone event that arrives, with the INFO, with 40 ms of a tone. So a prompt stops under the
  finger and not after it.
* `DigitEnded` comes when the key is let go; where that is lost, once it has not been heard of for
  a while. A key that is held when the call ends has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from sipparty.sip.events import MediaEvent

if TYPE_CHECKING:
    from sipparty.media.dtmf.keys import Press

__all__ = ["DigitEnded", "DigitReceived", "KeysSending", "Method"]

#: How a key came: as a telephone event (RFC 4733), in an INFO, as a tone in the audio.
Method: TypeAlias = Literal["rtp", "info", "inband"]


class DigitReceived(MediaEvent):
    """The other side presses a key. It may still be held: `DigitEnded` follows.

    Args:
        digit: "0" to "9", "*", "#", "A" to "D", or "!" for a hook flash.
        method: How it came: "rtp", "info" or "inband".
        volume: The power of the tone in dBm0, such as -10; None where that is not said.
    """

    digit: str
    method: Method
    volume: float | None = None
    FOR_CALL: ClassVar[bool] = True


class DigitEnded(MediaEvent):
    """The other side has let go of a key.

    Args:
        digit: The key, as in the `DigitReceived` before.
        method: How it came.
        duration: How long it was held, in seconds; None where that is not known. Where the end was
            lost, as long as was heard of it.
    """

    digit: str
    method: Method
    duration: float | None = None
    FOR_CALL: ClassVar[bool] = True


class KeysSending(MediaEvent):
    """Keys of ours begin to be sent; for who watches (`Core.watch`).

    Args:
        presses: The keys and pauses, in order.
        method: How they go.
    """

    presses: tuple[Press, ...]
    method: Method

"""The keys, and what a text of keys asks to be sent.

Laws:

* A key is one character of `KEYS`; its place there is its number as a telephone event (RFC 4733
  section 3.2; 16 is the hook flash of RFC 4730 and of what came before it).
* A text may say "a" to "d" for "A" to "D", "R" or "r" for the flash "!", and "p" or "P" for the
  pause ",". Anything else is an error that names the character.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sipparty.errors import UsageError
from sipparty.media.settings import check_seconds

__all__ = ["FLASH", "KEYS", "PAUSE", "Press", "plan"]

#: Every key, in the order of their numbers.
KEYS: Final = "0123456789*#ABCD!"
#: The hook flash, which has no tone.
FLASH: Final = "!"
#: What stands for a pause.
PAUSE: Final = ","

_ALIASES: Final = {
    **{key: key for key in KEYS},
    **{key.lower(): key for key in "ABCD"},
    "R": FLASH,
    "r": FLASH,
    PAUSE: PAUSE,
    "p": PAUSE,
    "P": PAUSE,
}
#: The least that receivers have to take for a digit and for the pause between two, in seconds
#: (ITU-T Q.24 table A-1).
_LEAST: Final = 0.04
_MOST: Final = 60.0
#: How many keys are sent at a time; protects memory.
_MAX_KEYS: Final = 1000


class Press(NamedTuple):
    """A key to be pressed, or a pause.

    Args:
        key: One of `KEYS`; "" for a pause.
        duration: How long, in seconds.
        gap: The silence after it, in seconds.
    """

    key: str
    duration: float
    gap: float


def plan(
    keys: str, duration: float = 0.1, gap: float = 0.07, pause: float = 2.0
) -> tuple[Press, ...]:
    """Read a text of keys.

    Args:
        keys: "0" to "9", "*", "#", "A" to "D"; "!" or "R" for a hook flash; "," or "p" for a pause.
        duration: How long a key is pressed, 0.04 to 60 seconds.
        gap: The silence after it, 0.04 to 60 seconds.
        pause: How long a pause is, in seconds.

    Raises:
        UsageError: There is no key, more than 1000, or a character that is none; or a time is out
            of its range.
    """
    if not isinstance(keys, str) or not 0 < len(keys) <= _MAX_KEYS:
        raise UsageError(f"Keys are a text of 1 to {_MAX_KEYS} characters, not {keys!r}.")
    for name, value in (("duration", duration), ("gap", gap), ("pause", pause)):
        check_seconds(name, value)
        if not _LEAST <= value <= _MOST:
            raise UsageError(f"{name}={value:g} is not from {_LEAST:g} to {_MOST:g} seconds.")
    for place, character in enumerate(keys):
        if character not in _ALIASES:
            raise UsageError(
                f"{character!r}, at position {place} of {keys!r}, is no key: expected 0 to 9, *, #,"
                ' A to D, "!" or "R" for a hook flash, "," or "p" for a pause.'
            )
    found = (_ALIASES[character] for character in keys)
    return tuple(
        Press("", pause, 0.0) if key == PAUSE else Press(key, duration, gap) for key in found
    )

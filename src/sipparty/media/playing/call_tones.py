"""The tones of the telephone network, as countries have them: dial tone, ringback, busy and others.

Laws:

* A tone is a table: seconds and frequencies of its pieces, which are repeated.
* One round of it is prepared once, for all who play it.
"""

from __future__ import annotations

import functools
from typing import Final

from sipparty.errors import UsageError
from sipparty.media.pcm import silence
from sipparty.media.playing.sources import ToneSource, looped

__all__ = ["CALL_TONES", "CallTone"]

#: The tones that a network or a phone system plays, by country: seconds of each piece, and its
#: frequencies in hertz; none for silence. They are repeated. "eu" has those of ETSI TR 101 041-2.
CALL_TONES: Final[dict[str, dict[str, tuple[tuple[float, ...], ...]]]] = {
    "eu": {
        "dial": ((1.0, 425),),
        "ringback": ((1.0, 425), (4.0,)),
        "busy": ((0.5, 425), (0.5,)),
        "congestion": ((0.25, 425), (0.25,)),
        "waiting": ((0.2, 425), (0.6,), (0.2, 425), (3.0,)),
        "information": ((0.33, 950), (0.33, 1400), (0.33, 1800), (1.0,)),
    },
    "us": {
        "dial": ((1.0, 350, 440),),
        "ringback": ((2.0, 440, 480), (4.0,)),
        "busy": ((0.5, 480, 620), (0.5,)),
        "congestion": ((0.25, 480, 620), (0.25,)),
        "waiting": ((0.3, 440), (9.7,)),
        "information": ((0.33, 950), (0.33, 1400), (0.33, 1800), (1.0,)),
    },
    "uk": {
        "dial": ((1.0, 350, 440),),
        "ringback": ((0.4, 400, 450), (0.2,), (0.4, 400, 450), (2.0,)),
        "busy": ((0.375, 400), (0.375,)),
        "congestion": ((0.4, 400), (0.35,), (0.225, 400), (0.525,)),
        "waiting": ((0.1, 400), (3.0,)),
        "information": ((0.33, 950), (0.33, 1400), (0.33, 1800), (1.0,)),
    },
}


@functools.lru_cache(maxsize=32)
def _cadence(pieces: tuple[tuple[float, ...], ...], level: float, rate: int) -> bytes:
    """One round of a call tone."""
    return b"".join(
        ToneSource(*frequencies, level=level, rate=rate).read(round(seconds * rate))
        if frequencies
        else silence(round(seconds * rate))
        for seconds, *frequencies in pieces
    )


class CallTone:
    """A tone of the network, repeated: dial tone, ringback, busy and the like.

    Args:
        name: "dial", "ringback", "busy", "congestion", "waiting" or "information".
        country: Whose: "eu", "us" or "uk".
        duration: In seconds; None for ever.
        level: Loudness of each sine, in decibels below the loudest there is.
        rate: Samples a second.

    Raises:
        UsageError: There is no such tone, or no such country.
    """

    immediate = True

    def __init__(
        self,
        name: str,
        country: str = "eu",
        *,
        duration: float | None = None,
        level: float = -15.0,
        rate: int = 8000,
    ) -> None:
        if country not in CALL_TONES:
            known = ", ".join(CALL_TONES)
            raise UsageError(f"There are no tones of {country!r}; there are those of {known}.")
        tones = CALL_TONES[country]
        if name not in tones:
            raise UsageError(f"There is no tone {name!r}; there are {', '.join(tones)}.")
        self.name = name
        self.country = country
        self.rate = rate
        self.duration = duration
        self._pcm = _cadence(tones[name], level, rate)
        self._position = 0
        self._end = self._length = None if duration is None else round(duration * rate)

    def read(self, samples: int, /) -> bytes:
        """The next samples."""
        start = self._position
        if self._end is not None:
            samples = min(samples, self._end - start)
        self._position += samples
        return looped(self._pcm, start, samples)

    def rewind(self) -> None:
        """Start again."""
        self._position = 0
        self._end = self._length

    def close(self) -> None:
        """Give nothing more."""
        self._end = self._position

    def __repr__(self) -> str:
        return f"CallTone({self.name!r}, {self.country!r})"

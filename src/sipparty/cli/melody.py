"""The clip of the demo: a few bars of a tune that everybody knows, computed, so that no file has to
be carried along.

Laws:

* The same samples every time, on every machine: plain arithmetic, rounded to 16 bits.
* It is made for the telephone: 8000 samples a second, nothing above 3400 Hz.
* It begins and ends with sound, and no part of it of a second's length is like another, so that a
  recording of it can be laid over it at one offset only.
"""

from __future__ import annotations

import array
import math
from typing import Final

__all__ = ["RATE", "TUNE", "melody"]

#: Samples a second.
RATE: Final = 8000

#: Note (semitones above C5) and beats: the first two lines of Beethoven's hymn to joy.
TUNE: Final[tuple[tuple[int, float], ...]] = (
    *((4, 1), (4, 1), (5, 1), (7, 1)),
    *((7, 1), (5, 1), (4, 1), (2, 1)),
    *((0, 1), (0, 1), (2, 1), (4, 1)),
    *((4, 1.5), (2, 0.5), (2, 2)),
)

#: Seconds of a beat.
_BEAT: Final = 0.26
#: Hertz of C5.
_C5: Final = 440.0 * 2 ** (3 / 12)
#: Loudness of each harmonic: something between a glass and a piano.
_HARMONICS: Final = ((1, 0.62), (2, 0.22), (3, 0.10), (4, 0.06))
#: Seconds of the attack, and the time in which a note fades to a third.
_ATTACK: Final = 0.008
_DECAY: Final = 0.35
#: The loudest sample: 6 dB below what 16 bits hold.
_PEAK: Final = 16384


def melody(tune: tuple[tuple[int, float], ...] = TUNE) -> bytes:
    """Play a tune.

    Args:
        tune: Notes, each in semitones above C5, and their lengths in beats.

    Returns:
        16-bit samples in the machine's byte order, `RATE` a second, one channel.
    """
    samples = array.array("h")
    for semitone, beats in tune:
        pitch = _C5 * 2 ** (semitone / 12)
        steps = [(2 * math.pi * pitch * n / RATE, level) for n, level in _HARMONICS]
        for position in range(round(beats * _BEAT * RATE)):
            time = position / RATE
            envelope = min(1.0, time / _ATTACK) * math.exp(-time / _DECAY)
            wave = sum([level * math.sin(step * position) for step, level in steps])
            samples.append(round(_PEAK * envelope * wave))
    return samples.tobytes()

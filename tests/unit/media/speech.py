"""Something like speech, made by arithmetic: the same in every run."""

import math
from array import array
from functools import lru_cache


@lru_cache(maxsize=8)
def speech(seconds, rate=8000, pitch=110.0):
    """Vowels with a pitch that glides and a loudness that swells, and short pauses."""
    samples = array("h")
    phase = 0.0
    for n in range(round(seconds * rate)):
        time = n / rate
        phase += 2 * math.pi * pitch * (1 + 0.1 * math.sin(2 * math.pi * 0.7 * time)) / rate
        swell = max(0.0, math.sin(2 * math.pi * 1.3 * time) + 0.6)
        wave = sum(math.sin(k * phase) * part for k, part in ((1, 0.6), (2, 1), (3, 0.7), (7, 0.3)))
        samples.append(round(4000 * swell * wave))
    return samples.tobytes()

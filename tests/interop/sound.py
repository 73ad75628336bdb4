"""Sound that is known, and how much of it there is in what was heard.

Laws:

* What was sent and what was heard are compared as `sipparty.testing.hearing` does.
* Every sound is the same whenever it is made.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sipparty.errors import UsageError
from sipparty.media import find_codec
from sipparty.testing.hearing import TELEPHONE, WIDE, Match, Sound, compare

from .peer import missing, require

__all__ = [
    "TELEPHONE",
    "WIDE",
    "Match",
    "Sentences",
    "Sound",
    "codec_rate",
    "compare",
    "heard",
    "noise",
    "speech",
]


def speech(text: str, folder: Path, voice: str = "en+m3") -> Sound:
    """A sentence spoken by espeak-ng, 22050 samples a second.

    Args:
        text: The sentence.
        folder: For a file.
        voice: Who speaks.
    """
    path = folder / "speech.wav"
    command = [require("espeak-ng"), "-v", voice, "-s", "160", "-w", str(path), text]
    subprocess.run(command, check=True, timeout=20)
    spoken = Sound.of_file(path)
    loud = np.flatnonzero(np.abs(spoken.samples) > 0.02)
    samples = spoken.samples[loud[0] :]  # it begins with silence
    return Sound(samples * (0.5 / np.abs(samples).max()), spoken.rate)


def noise(seed: int, seconds: float, rate: int = 16000) -> Sound:
    """Noise as loud and soft as syllables are, with pauses between words.

    Args:
        seed: Another one makes another sound.
        seconds: How long.
        rate: Samples a second.
    """
    source = np.random.default_rng(seed)
    samples = source.standard_normal(round(seconds * rate))
    times = np.arange(len(samples)) / rate
    loudness = np.sin(2 * np.pi * 3 * times + seed) ** 2 * (np.sin(2 * np.pi * 0.8 * times) > -0.8)
    return Sound(0.1 * samples * loudness, rate)


class Sentences(NamedTuple):
    """What the sides of a call say, both long enough for a test.

    Args:
        ours: What our party says.
        theirs: What the peer says.
    """

    ours: Sound
    theirs: Sound


def codec_rate(name: str) -> int:
    """Samples a second of a codec of ours, such as "PCMU" or "L16/16000"; skips the test where
    it is not available.
    """
    try:
        return find_codec(name).sample_rate
    except UsageError as error:
        missing(str(error))


def heard(what: Sound, sent: Sound, *, seconds: float = 0.6, similarity: float = 0.85) -> Match:
    """Fail unless a sound is in what was heard. On a busy machine packets come late; so some of it
    may be missing.

    Args:
        what: What was heard, or recorded.
        sent: The sound.
        seconds: How much of it has to be there.
        similarity: How much like it that has to be.
    """
    match = compare(what, sent)
    good = match.similarity >= similarity and match.share >= 0.6 and match.seconds >= seconds
    assert good, f"{match} in {what.seconds:.2f} s of at most {what.level:.0f} dB"
    return match

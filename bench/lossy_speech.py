"""Speech over a network that loses packets, in virtual time, and how it sounds by PESQ.

Needs `espeak-ng`, which speaks, and the packages `numpy` and `pesq` (ITU-T P.862, narrow band). The
reference is the same speech through PCMU and back without a loss, so that what is judged is the
losses alone: without any it gives 4.55. Everything but the speaking is arithmetic: the same in
every run.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from sipparty.media.codecs import Decoder
from sipparty.media.codecs.g711 import G711
from sipparty.media.pcm import attenuate
from sipparty.media.playout.concealment import Concealment, SilenceConcealment, WaveformConcealment
from sipparty.media.playout.jitter import JitterBuffer

__all__ = ["CONCEALMENTS", "RATE", "RepetitionConcealment", "missing", "score", "speech", "through"]

RATE = 8000
_FRAME = 160
_PERIOD = 0.02
#: What is spoken: 28 seconds, by a voice each.
_SENTENCES = {
    "en": "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. "
    "It is easy to tell the depth of a well.",
    "en+f3": "These days a chicken leg is a rare dish. Rice is often served in round bowls. "
    "The juice of lemons makes fine punch.",
    "en+m3": "The box was thrown beside the parked truck. The hogs were fed chopped corn and "
    "garbage. Four hours of steady work faced us.",
    "en+f2": "A large size in stockings is hard to sell. The boy was there when the sun rose. "
    "A rod is used to catch pink salmon.",
}


class RepetitionConcealment(SilenceConcealment):
    """Fills a loss with the last frame, each time half as loud, four times."""

    def __init__(self, rate: int) -> None:
        self.end()

    def extend(self, history: bytes, samples: int, /) -> bytes:
        """The last frame again."""
        made = b""
        while len(made) < 2 * samples:
            if not self._times:
                self._last = history[-2 * _FRAME :]
            self._times += 1
            self._last = attenuate(self._last, 0.5 if self._times <= 4 else 0.0)
            made += self._last or bytes(2)
        return made[: 2 * samples]

    def bridge(self, history: bytes, samples: int, following: bytes, /) -> bytes:
        """The same."""
        made = self.extend(history, samples)
        self.end()
        return made

    def join(self, following: bytes, /) -> bytes:
        """The audio as it is."""
        self.end()
        return following

    def end(self) -> None:
        """Begin anew."""
        self._times = 0
        self._last = b""


#: What is compared.
CONCEALMENTS: dict[str, Callable[[int], Concealment]] = {
    "the wave": WaveformConcealment,
    "repetition": RepetitionConcealment,
    "silence": SilenceConcealment,
}


def missing() -> str | None:
    """What is not installed; None if all is there."""
    if shutil.which("espeak-ng") is None:
        return "espeak-ng"
    for package in ("numpy", "pesq"):
        try:
            __import__(package)
        except ImportError:
            return package
    return None


@cache
def speech() -> bytes:
    """Speech at 8000 samples a second, 26 dB below full scale, half a second of silence between."""
    import numpy

    made = b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        for voice, text in _SENTENCES.items():
            command = ["espeak-ng", "-v", voice, "-s", "160", "-w", str(path), text]
            subprocess.run(command, check=True, timeout=30)
            with wave.open(str(path)) as file:
                rate = file.getframerate()
                audio = numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
            # To 8000 samples a second: the spectrum up to 3800 Hz.
            size = len(audio) * RATE // rate
            spectrum = numpy.fft.rfft(audio)[: size // 2 + 1]
            spectrum[int(len(spectrum) * 0.95) :] = 0
            audio = numpy.fft.irfft(spectrum, size)
            audio *= 32768 * 10 ** (-26 / 20) / numpy.sqrt((audio**2).mean())
            made += bytes(RATE // 2) + audio.clip(-32768, 32767).astype("<i2").tobytes()
    made += bytes(RATE // 2)
    return made[: len(made) // (2 * _FRAME) * 2 * _FRAME]


def through(
    pcm: bytes, loss: float, jitter: float, seed: int, concealment: Callable[[int], Concealment]
) -> tuple[bytes, JitterBuffer]:
    """What is heard of PCMU over a network.

    Args:
        pcm: What is said.
        loss: The part of the packets that is lost, each by chance.
        jitter: Each packet takes up to so many seconds longer, by chance.
        seed: Of chance.
        concealment: What fills the losses.

    Returns:
        What is heard, from the first frame on, and the buffer.
    """
    chance = Random(seed)
    codec = G711("ulaw")
    arrivals = []
    for number in range(len(pcm) // (2 * _FRAME)):
        payload = codec.encode(pcm[number * 2 * _FRAME : (number + 1) * 2 * _FRAME])
        lost, delay = chance.random() < loss, chance.random() * jitter
        if not lost:
            arrivals.append((number * _PERIOD + delay, number, payload))
    arrivals.sort(reverse=True)
    buffer = JitterBuffer({0: Decoder(codec, RATE, RATE)}, concealment=concealment)
    heard = []
    for tick in range(len(pcm) // (2 * _FRAME) + 15):
        now = tick * _PERIOD + 0.007
        while arrivals and arrivals[-1][0] <= now:
            came, number, payload = arrivals.pop()
            buffer.put(number & 0xFFFF, number * _FRAME, 0, payload, False, came)
        if not arrivals and not buffer.waiting:
            break
        heard.append(buffer.get(now) or b"")
    return b"".join(heard), buffer


def score(said: bytes, heard: bytes) -> float:
    """PESQ (MOS-LQO, P.862.1) of what is heard; P.862 aligns the two by itself."""
    import numpy
    from pesq import pesq

    codec = G711("ulaw")
    reference = codec.decode(codec.encode(said))
    return float(
        pesq(RATE, numpy.frombuffer(reference, "<i2"), numpy.frombuffer(heard, "<i2"), "nb")
    )

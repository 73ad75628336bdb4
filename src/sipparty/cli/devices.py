"""Microphone and loudspeaker, by sounddevice (the extra `sound`).

Laws:

* What is wrong with a device is said when it is made, before anybody is called; closing gives it
  back.
* What waits is bounded: where one side is slower than the other, the oldest sound goes.
* No error of the device ends a call: where nothing comes there is silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sipparty.cli.echo import Echo
from sipparty.errors import MediaError

__all__ = ["Loudspeaker", "Microphone"]

#: Seconds of sound that may wait.
_MAX_DELAY = 0.2
#: Samples a second that are taken from a microphone.
_RATE = 8000


class _Device:
    """What waits between a device and a call, touched by a thread of each."""

    immediate = True

    def __init__(self) -> None:
        self._waiting = Echo(_MAX_DELAY)
        self._lock = threading.Lock()
        self._stream: Any = None

    def _use(self, what: str, use: Callable[[Any], None]) -> None:
        """Use the library.

        Raises:
            MediaError: It is not there, or the device is not.
        """
        try:
            import sounddevice
        except ModuleNotFoundError:
            raise MediaError(
                f"The {what} is used by sounddevice: pip install 'sipparty[sound]'"
            ) from None
        except OSError as error:
            raise MediaError(
                f"The {what} cannot be used: {error}; sounddevice needs the library PortAudio."
            ) from None
        try:
            use(sounddevice)
        except (sounddevice.PortAudioError, ValueError) as error:
            self.close()
            raise MediaError(
                f"The {what} cannot be used: {error}. python -m sounddevice lists the devices."
            ) from None

    def _start(self, stream: Any) -> None:
        self._stream = stream
        stream.start()

    def _put(self, pcm: bytes) -> None:
        with self._lock:
            self._waiting.write(pcm)

    def _take(self, samples: int) -> bytes:
        with self._lock:
            return self._waiting.read(samples)

    def close(self) -> None:
        """Give the device back; may be called more than once."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class Microphone(_Device):
    """A source: what the microphone hears, without end.

    Raises:
        MediaError: There is none, or what it takes is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate = _RATE
        format: dict[str, Any] = {"samplerate": _RATE, "channels": 1, "dtype": "int16"}
        self._use(
            "microphone",
            lambda sound: self._start(sound.RawInputStream(callback=self._heard, **format)),
        )

    def _heard(self, data: Any, frames: int, time: Any, status: Any) -> None:
        self._put(bytes(data))

    def read(self, samples: int, /) -> bytes:
        """Give what was heard, and silence where that is not enough."""
        return self._take(samples)


class Loudspeaker(_Device):
    """A sink: what is written is heard.

    Raises:
        MediaError: There is none, or what it takes is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._use("loudspeaker", lambda sound: sound.check_output_settings(channels=1))

    def start(self, rate: int, /) -> None:
        """Begin.

        Raises:
            MediaError: It cannot play so many.
        """
        self._waiting.start(rate)
        format: dict[str, Any] = {"samplerate": rate, "channels": 1, "dtype": "int16"}
        self._use(
            "loudspeaker",
            lambda sound: self._start(sound.RawOutputStream(callback=self._wanted, **format)),
        )

    def _wanted(self, data: Any, frames: int, time: Any, status: Any) -> None:
        data[:] = self._take(frames)

    def write(self, pcm: bytes, /) -> None:
        """Take audio."""
        self._put(pcm)

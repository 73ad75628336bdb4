"""What can be played, and the feeds that it makes.

Laws:

* What cannot be played is refused where it is given, before anything is sent, by a sentence.
* Files and bytes are looked at there too. Of what gives samples later, only its kind is known.

    a path, a Path        a sound file
    "busy", "ringback"    a tone of the network (`CallTone`)
    bytes, an array       samples, with `rate`; without, the bytes of a sound file
    a Source              what it gives; one of the library's own, or the user's
    an open binary file   a sound file; with `rate`, samples
    an iterator           of bytes, arrays or frames; plain or asynchronous, a generator or not
    a function            what it returns, or its coroutine: for text-to-speech
    an awaitable          what it gives
    a list, a tuple       one after the other
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from sipparty.concurrency.workers import Threads
from sipparty.errors import MediaError, UsageError
from sipparty.media.pcm import Resampler, pcm_of
from sipparty.media.playing.call_tones import CALL_TONES, CallTone
from sipparty.media.playing.feeding import DirectFeed, Feed, QueueFeed
from sipparty.media.playing.files import AVSource, is_sound_file, open_sound
from sipparty.media.playing.fillers import BLOCK, PooledFeed, TaskFeed, ThreadFeed
from sipparty.media.playing.sources import MemorySource, Source, WAVSource
from sipparty.media.settings import check_sample_rate

__all__ = ["Piece", "Playable", "Speech", "check_playable", "feeds_of"]

#: What `play` takes; see the module.
Playable: TypeAlias = Any

#: The rate that needs no conversion, as a rule.
RATE: Final = 8000
#: Seconds that a live source is asked for at once.
LIVE_BLOCK: Final = 0.02
#: Seconds after which one that had nothing is asked again.
POLL: Final = 0.01


#: Gives the loop that coroutines are run on.
FindLoop = Callable[[], asyncio.AbstractEventLoop | None]


class Piece(NamedTuple):
    """Samples and their rate."""

    pcm: bytes
    rate: int


def check_playable(what: Playable, rate: int | None = None) -> None:
    """Refuse what cannot be played, and let go of what can.

    Raises:
        MediaError: A file cannot be played.
        UsageError: It is none of what can be played.
    """
    if isinstance(what, str | os.PathLike | bytes):
        _source_of(what, rate).close()
    elif isinstance(what, list | tuple):
        for one in what:
            check_playable(one, rate)
    else:
        feeds_of(what, rate, None, lambda: None)


def feeds_of(
    what: Playable,
    rate: int | None,
    threads: Threads | None,
    loop: FindLoop,
) -> list[Feed]:
    """The feeds of what is to be played, one after the other.

    Args:
        what: What can be played.
        rate: Samples a second, where it does not say so itself.
        threads: Where it is read; None only to look at it.
        loop: Gives where coroutines are run, when no loop is running here; asked when it is played.

    Raises:
        MediaError: A file cannot be played.
        UsageError: It is none of what can be played, or has no rate.
    """
    if rate is not None:
        check_sample_rate(rate)
    if isinstance(what, list | tuple):
        if not what:
            raise UsageError("An empty list cannot be played.")
        return [feed for one in what for feed in feeds_of(one, rate, threads, loop)]
    return [_feed_of(what, rate, threads, loop)]


def _feed_of(what: Any, rate: int | None, threads: Any, loop: FindLoop) -> Feed:
    source = _source_of(what, rate)
    if source is not None:
        if source.rate != RATE:
            Resampler(source.rate, RATE)  # what that needs is loaded here, and not on the tick
        if vars(type(source)).get("immediate") is True:
            return DirectFeed(source)
        if type(source) in (WAVSource, AVSource):
            return PooledFeed(source, threads)
        what = source
    elif not _is_known(what):
        raise UsageError(
            f"{what!r:.80} cannot be played: it is no path, bytes, source, iterator, open file or"
            " function."
        )
    rate = rate or getattr(what, "rate", None)
    name = _name_of(what)
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        find = loop
    else:
        find = lambda: here  # noqa: E731 - as short as the other
    if _is_async(what):
        return TaskFeed(name, rate, lambda feed: _later(what, feed), find)
    unused = None if source is None else getattr(source, "close", None)
    return ThreadFeed(name, rate, lambda feed: _pieces(what, feed, find), threads, unused)


def _source_of(what: Any, rate: int | None) -> Any:
    """The source of what is there already: files, bytes, arrays, and sources; None of others."""
    if isinstance(what, type):
        raise UsageError(f"{what.__name__} is a class: play {what.__name__}(...).")
    if isinstance(what, str) and any(what in tones for tones in CALL_TONES.values()):
        return CallTone(what)
    if isinstance(what, str) and not os.path.splitext(what)[1] and not os.path.exists(what):
        tones = ", ".join(map(repr, CALL_TONES["eu"]))
        raise MediaError(f"Cannot play {what}: there is no such file, and the tones are {tones}.")
    if isinstance(what, str | os.PathLike):
        return open_sound(what)
    if isinstance(what, bytes | bytearray | memoryview) or hasattr(what, "dtype"):
        if rate is not None:
            return MemorySource(pcm_of(what)[0], rate)
        data = b"" if hasattr(what, "dtype") else bytes(what)
        if is_sound_file(data):
            return open_sound(data)
        raise UsageError(
            f"{len(what)} {'samples' if hasattr(what, 'dtype') else 'bytes'} cannot be played: give"
            " their rate, as in play(pcm, rate=8000), or the bytes of a sound file."
        )
    if _is_source(what):
        return what
    if _is_file(what) and rate is None:
        return open_sound(what)
    return None


def _is_source(what: Any) -> bool:
    return isinstance(what, Source) or (
        callable(getattr(what, "read", None)) and isinstance(getattr(what, "rate", None), int)
    )


def _is_file(what: Any) -> bool:
    return callable(getattr(what, "read", None)) and not _is_source(what)


def _is_async(what: Any) -> bool:
    return (
        hasattr(what, "__aiter__") or inspect.isawaitable(what) or inspect.iscoroutinefunction(what)
    )


def _is_known(what: Any) -> bool:
    return _is_file(what) or _is_async(what) or hasattr(what, "__iter__") or callable(what)


def _name_of(what: Any) -> str:
    name = getattr(what, "__qualname__", None) or getattr(what, "name", None)
    return name if isinstance(name, str) and name else f"{what!r:.60}"


class Speech:
    """A text to be spoken.

    Args:
        tts: Makes of it something that can be played.
        text: The text.

    Raises:
        UsageError: There is nothing to speak it.
    """

    def __init__(self, tts: Callable[[str], Playable] | None, text: str) -> None:
        if tts is None:
            raise UsageError("There is no speech: give the session tts=, a function of the text.")
        self._tts = tts
        self.name = f"the text {text!r:.60}"
        self._text = text

    def __call__(self) -> Playable:
        """What speaks it."""
        return self._tts(self._text)

    def __repr__(self) -> str:
        return self.name


# What is read on a thread.


def _pieces(what: Any, feed: QueueFeed, loop: FindLoop) -> Iterator[bytes | Piece]:
    """What a user gave, in pieces, on a thread that may block."""
    if _is_file(what) and feed.given_rate is not None:
        octets = int(BLOCK * feed.given_rate) * 2
        while data := what.read(octets):
            yield data
        return
    source = _source_of(what, feed.given_rate)
    if source is not None:
        yield from _read(source, feed)
    elif isinstance(what, list | tuple):
        for one in what:
            yield from _pieces(one, feed, loop)
    elif _is_async(what):
        yield from _awaited(what, feed, loop)
    elif hasattr(what, "__iter__"):
        pieces = iter(what)
        try:
            yield from pieces
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
    elif callable(what):
        result = what()
        if result is None:
            raise UsageError(f"{feed.name} gave None, which cannot be played.")
        yield from _pieces(result, feed, loop)
    else:
        raise UsageError(f"{what!r:.80} cannot be played.")


def _read(source: Any, feed: QueueFeed) -> Iterator[Piece]:
    """What a source gives, to its end."""
    live = bool(getattr(source, "live", False))
    if live:
        feed.follow()
    samples = max(1, int((LIVE_BLOCK if live else BLOCK) * source.rate))
    try:
        while not feed.closed:
            pcm = source.read(samples)
            if pcm is None or not (live or len(pcm)):
                return
            if len(pcm):
                yield Piece(pcm_of(pcm)[0], source.rate)
            else:
                feed.pause(POLL)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def _awaited(what: Any, feed: QueueFeed, loop: FindLoop) -> Iterator[bytes | Piece]:
    """What coroutines give, run on their loop and waited for on this thread."""
    where = loop()
    if where is None:
        raise UsageError(f"There is no loop to run {feed.name} on.")
    pieces = _later(what, feed)
    try:
        while True:
            try:
                yield asyncio.run_coroutine_threadsafe(_next(pieces), where).result()
            except StopAsyncIteration:
                return
    finally:
        asyncio.run_coroutine_threadsafe(_closed(pieces), where)


async def _next(pieces: AsyncIterator[Any]) -> Any:
    return await anext(pieces)


async def _closed(pieces: Any) -> None:
    await pieces.aclose()


# What is awaited on a loop.


async def _later(what: Any, feed: QueueFeed) -> AsyncIterator[Any]:
    """What a user gave, in pieces, in a task that must not block."""
    if inspect.iscoroutinefunction(what):
        what = what()
    if inspect.isawaitable(what):
        what = await what
        if what is None:
            raise UsageError(f"{feed.name} gave None, which cannot be played.")
    if hasattr(what, "__aiter__"):
        pieces = what.__aiter__()
        try:
            async for piece in pieces:
                if piece is None:
                    return
                yield piece
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()
        return
    plain = _pieces(what, feed, lambda: None)
    try:
        while (piece := await asyncio.to_thread(next, plain, None)) is not None:
            yield piece
    finally:
        plain.close()  # type: ignore[attr-defined]

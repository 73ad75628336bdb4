"""Two-way endpoints of sipparty: a session of each call's media, driven as a call drives it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from media_support import Program, arguments, resident
from support import ADDRESS

from sipparty.media import MemorySource, RTPSession
from sipparty.media.frames import AudioFrame
from sipparty.media.loops import MediaThreads

#: What may be offered, as an rtpmap says it.
_FORMATS = {"PCMU": (0, "PCMU/8000"), "OPUS": (96, "opus/48000/2"), "G722": (9, "G722/8000")}


class _Heard:
    """Listens to what is played."""

    frames = 0

    def hear(self, frame: AudioFrame, /) -> None:
        """Count it."""
        _Heard.frames += 1


class _Slow(MemorySource):
    """A source that takes its time."""

    def read(self, samples: int, /) -> bytes:
        """The next samples, after 200 ms."""
        time.sleep(0.2)
        return super().read(samples)


def _offer(port: int, codec: str) -> bytes:
    kind, name = _FORMATS[codec]
    lines = (
        f"v=0|o=- 1 1 IN IP4 {ADDRESS}|s=-|c=IN IP4 {ADDRESS}|t=0 0|m=audio {port} RTP/AVP {kind}|"
        f"a=rtpmap:{kind} {name}|"
    )
    return lines.replace("|", "\r\n").encode()


async def main() -> None:
    """Serve until SIGTERM."""
    options = arguments()
    loop = asyncio.get_running_loop()
    pcm = random.Random(1).randbytes(2 * 8000 * 120)
    sessions: list[RTPSession] = []
    threads = MediaThreads(options.threads) if options.threads else None

    def count() -> dict[str, Any]:
        """What all of them have counted."""
        counted = [session.statistics for session in sessions]
        return {
            "heard": _Heard.frames,
            "lost": sum(each.lost for each in counted),
            "late": sum(each.late for each in counted),
            "concealed": sum(each.concealed for each in counted),
        }

    program = Program(options.signalling, count)
    before = resident()
    for number, port in enumerate(options.ports):
        record = f"{options.record}/{number}.wav" if options.record else None
        play = options.play or MemorySource(pcm)
        if options.idle:
            play = None
        if options.slow and number == 0:
            play = _Slow(pcm)
        session = RTPSession(codecs=(options.codec,), play=play, record=record)
        if threads is not None:
            session.media_loop = threads.take()
        session.open(loop, ADDRESS)
        session.line.add_listener(_Heard())
        session.answer(_offer(port, options.codec))
        session.start()
        sessions.append(session)
        await asyncio.sleep(0)
    await asyncio.sleep(1)
    await program.run(session_kb=(resident() - before) / len(sessions))
    for session in sessions:
        session.stop()
    if threads is not None:
        threads.close()


if __name__ == "__main__":
    asyncio.run(main())

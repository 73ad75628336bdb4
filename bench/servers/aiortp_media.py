"""Two-way endpoints of aiortp, as its documentation has them: adaptive clocked playout, which has
the jitter buffer (`playout=True`), PCM in and out.

It is sent in one of two ways. With paced sending (`paced=True`), frames are queued a few at a time,
for one session after the other, so that no queue runs empty and no turn of the loop is long. With
`--burst`, the application keeps the time: every 20 ms it gives each session a frame, all at once,
which takes the least CPU. numpy is installed, which makes its G.711 faster.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from aiortp import PayloadType, RTPSession
from media_support import Program, arguments
from support import ADDRESS

#: Frames queued at a time, and kept in a queue before.
_FRAMES = 10
_PERIOD = 0.02


class _Heard:
    """Takes what is played."""

    frames = 0

    def take(self, pcm: bytes, timestamp: int) -> None:
        """Count it."""
        self.frames += 1


async def _feed(sessions: list[RTPSession]) -> None:
    """Keep the queues filled."""
    pcm = random.Random(1).randbytes(320)
    turn = _FRAMES * _PERIOD / len(sessions)
    loop = asyncio.get_running_loop()
    due = loop.time()
    for session in sessions:
        for _ in range(_FRAMES):
            session.send_audio_pcm_auto(pcm)
    while True:
        for session in sessions:
            due += turn
            await asyncio.sleep(max(0.0, due - loop.time()))
            for _ in range(_FRAMES):
                session.send_audio_pcm_auto(pcm)


async def _burst(sessions: list[RTPSession]) -> None:
    """Give each session a frame every 20 ms."""
    pcm = random.Random(1).randbytes(320)
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += _PERIOD
        await asyncio.sleep(max(0.0, due - loop.time()))
        for session in sessions:
            session.send_audio_pcm_auto(pcm)


async def main() -> None:
    """Serve until SIGTERM."""
    options = arguments()
    heard = _Heard()
    sessions: list[RTPSession] = []

    def count() -> dict[str, Any]:
        """What all of them have counted."""
        stats = [session.stats for session in sessions]
        return {
            "heard": heard.frames,
            "lost": sum(each.get("packets_lost", 0) for each in stats),
            "late": sum(each["late_dropped"] for each in stats),
            "concealed": sum(each["concealed_frames"] for each in stats),
        }

    program = Program(options.signalling, count)
    for port in options.ports:
        session = await RTPSession.create(
            local_addr=(ADDRESS, 0),
            remote_addr=(ADDRESS, port),
            payload_type=PayloadType.PCMU,
            playout=True,
            paced=not options.burst,
        )
        session.on_audio = heard.take
        sessions.append(session)
    feeder = asyncio.create_task((_burst if options.burst else _feed)(sessions))
    await program.run()
    feeder.cancel()


if __name__ == "__main__":
    asyncio.run(main())

"""A recorder: takes a call, records both sides of it, and transcribes what it hears by a callback.

    python recorder.py          tries itself: a caller on this machine speaks for half a second
    python recorder.py 5060     takes calls at that port, until Ctrl-C

`Transcript` is in the place of a speech engine: given frames on a thread of its own.
"""

import asyncio
import sys

from sipparty import AudioParty, SIPPartyError, ToneSource
from sipparty.media.frames import AudioFrame


class Transcript:
    """In the place of a speech engine."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, frame: AudioFrame) -> None:
        """Take a frame."""
        if frame.energy > -40:  # dBov
            self.seconds += frame.duration


async def serve(line: AudioParty, calls: int | None) -> None:
    """Record so many calls; not under a caller's name, which may be any path."""
    number = 0
    async for call in line.incoming():
        number += 1
        transcript = Transcript()
        try:
            await call.accept()
            recording = call.record(f"call-{number}.wav", stereo=True)
            text = call.record(transcript, max_silence=0.4)
            await call.play(ToneSource(880, duration=0.2))
            await text  # until nobody speaks any more
            await recording.stop()
            print(f"{recording.path}: spoken for more than 0.2 s:", transcript.seconds > 0.2)
            await call.terminate()
        except SIPPartyError as error:
            print(f"the call ended: {error}")
        if number == calls:
            return


async def main() -> None:
    async with AudioParty("line@biloxi.com") as line:
        if len(sys.argv) > 1:
            await serve(line.listen(int(sys.argv[1])), None)
        serving = asyncio.create_task(serve(line.listen(0, address="127.0.0.1"), 1))
        async with AudioParty("alice@atlanta.com") as alice, alice.call(line) as call:
            await call.play(ToneSource(440, duration=0.5))
            await serving


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

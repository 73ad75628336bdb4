"""A line that answers: it says its piece (three tones), takes a message, and hangs up.

    python announcement.py                 tries itself: a caller on this machine leaves a message
    python announcement.py 5060            takes calls at that port, until Ctrl-C

Each call is one coroutine, written as one thinks of it. Calls run beside each other.
"""

import asyncio
import sys
from pathlib import Path

from sipparty import AudioCall, AudioParty, SilenceSource, SIPPartyError, ToneSource

#: Seconds of a message.
LENGTH = 0.5


async def serve(call: AudioCall) -> None:
    """Handle one call, from ringing to the end."""
    if call.remote.uri.username == "spam":
        call.reject(603)
        return
    call.ring()
    call.accept()
    try:
        await call
        for frequency in (523, 659, 784):
            await call.play(ToneSource(frequency, duration=0.1))
        path = Path(f"message-from-{call.remote.uri.username}.wav")
        message = call.record(path)
        await call.play(SilenceSource(LENGTH))
        await message.stop()
        print(f"a message: {path}")
        await call.terminate()
    except SIPPartyError as error:
        print(f"the call ended: {error}")


async def serve_all(line: AudioParty) -> None:
    """Take calls, each in a task of its own."""
    async with asyncio.TaskGroup() as tasks:
        async for call in line.incoming():
            tasks.create_task(serve(call))


async def main() -> None:
    async with AudioParty("line@biloxi.com") as line:
        if len(sys.argv) > 1:
            await serve_all(line.listen(int(sys.argv[1])))
        serving = asyncio.create_task(serve_all(line.listen(0, address="127.0.0.1")))
        async with AudioParty("alice@atlanta.com") as alice, alice.call(line) as call:
            call.play(ToneSource(440))
            await call.stateCondition(call.States.Terminated.__eq__, timeout=20)
            print("the line hung up")
        serving.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

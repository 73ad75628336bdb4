"""A line that answers: it says its piece (three tones), takes a message, and hangs up.

    python announcement.py                 tries itself: a caller on this machine leaves a message
    python announcement.py 5060            takes calls at that port, until Ctrl-C

Each call is one coroutine, written as one thinks of it. Calls run beside each other.
"""

import asyncio
import sys
from pathlib import Path

from sipparty.errors import SIPPartyError
from sipparty.media import SilenceSource, ToneSource
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.sip.events import CallReceived

#: Seconds of a message.
LENGTH = 0.5


async def serve(event: CallReceived) -> None:
    """Handle one call, from ringing to the end."""
    call = event.call
    if call.remote.uri.username == "spam":
        call.reject(603)
        return
    call.ring()
    call.accept()
    try:
        await call
        for frequency in (523, 659, 784):
            await call.session.play(ToneSource(frequency, duration=0.1))
        path = Path(f"message-from-{call.remote.uri.username}.wav")
        call.session.record(path)
        await call.session.play(SilenceSource(LENGTH))
        call.session.stop_recording()
        print(f"a message: {path}")
        await call.terminate()
    except SIPPartyError as error:
        print(f"the call ended: {error}")


async def main() -> None:
    async with SingleRTPSessionSimplenParty("line@biloxi.com") as line:
        line.on(CallReceived, serve)
        if len(sys.argv) > 1:
            line.listen(int(sys.argv[1]))
            await asyncio.Event().wait()
        line.listen(0, address="127.0.0.1")
        async with SingleRTPSessionSimplenParty("alice@atlanta.com") as alice:
            call = await alice.invite(line)
            call.session.play(ToneSource(440))
            await call.stateCondition(call.States.Terminated.__eq__, timeout=20)
            print("the line hung up")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

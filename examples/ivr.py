"""A line with a menu: it asks for a key, takes an account number, and says good-bye.

    python ivr.py                 tries itself: a caller on this machine presses keys
    python ivr.py 5060            takes calls at that port, until Ctrl-C

Tones stand for what a real line says: put the paths of WAV files in their place. Callers who know
the menu need not wait for it; who presses nothing is asked again.
"""

import asyncio
import sys

from sipparty import AudioCall, AudioParty, SIPPartyError, ToneSource


def say(frequency: float) -> ToneSource:
    return ToneSource(frequency, duration=0.5)


async def serve(call: AudioCall) -> None:
    """Handle one call, from the menu to the end."""
    call.accept()
    try:
        await call
        choice = await call.ask(say(523), max=1, choices="12", timeout=3, retries=2)
        if choice == "1":
            number = await call.ask(say(659), max=8, end="#", timeout=3, first_timeout=6)
            print(f"account {number} (ended by {number.reason})")
        elif choice == "2":
            print("to the operator")
        if choice.reason != "hangup":
            await call.play(say(784))
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
            await call.send_dtmf("1p4711#", duration=0.06, gap=0.06, pause=0.3)
            await call.until("Terminated", timeout=20)
            print("the line hung up")
        serving.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

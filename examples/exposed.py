"""A line that unknown sources can reach: who calls has to prove who they are, and attacks are
noted.

    python exposed.py                            tries itself, with a caller and a guesser
    python exposed.py 192.0.2.7 alice:password   takes calls at that address, until Ctrl-C

The page docs/topics/being-reachable.md says what each setting is for.
"""

import asyncio
import logging
import sys

from sipparty import (
    AttackDetected,
    AudioParty,
    CallReceived,
    Engine,
    Limits,
    NoMediaSimpleCallsParty,
    Policy,
    SIPPartyError,
    ToneSource,
)

LIMITS = Limits(max_dialogs=100, max_connections=200)
POLICY = Policy(unproven_media=5.0, silent_media=60.0)


async def serve(event: CallReceived) -> None:
    """Play a tone to whoever has proved who they are; `authenticated` is the user, not a claim."""
    call = event.call
    call.ring()
    call.accept()
    try:
        await call
        print(f"a call of {call.authenticated}")
        await call.play(ToneSource(523, duration=0.1))
        await call.terminate()
    except SIPPartyError as error:
        print(f"the call ended: {error}")


async def report(event: AttackDetected) -> None:
    """Say what was noticed; the logger sipparty.security has it as well, for fail2ban."""
    print(f"{event.kind} from {event.source}: {event.count}")


async def try_it(line: AudioParty) -> None:
    """Be called by alice, and by somebody who guesses her password."""
    noticed = asyncio.Event()

    async def notice(event: AttackDetected) -> None:
        noticed.set()

    line.on(AttackDetected, notice)
    caller = AudioParty("alice@atlanta.com", credentials=("alice", "tea"))
    guesser = NoMediaSimpleCallsParty("mallory@atlanta.com", credentials=("alice", "coffee"))
    async with caller, guesser:
        call = await caller.invite(line)
        await call.stateCondition(call.States.Terminated.__eq__, timeout=20)
        refused = 0
        while not noticed.is_set():
            try:
                await guesser.invite(line)
            except SIPPartyError:
                refused += 1
        print(f"refused {refused} times")


async def main() -> None:
    logging.getLogger("sipparty.security").addHandler(logging.NullHandler())
    address, _, account = " ".join(sys.argv[1:]).partition(" ")
    user, _, password = (account or "alice:tea").partition(":")
    engine = Engine(asyncio.get_running_loop(), limits=LIMITS, policy=POLICY)
    async with AudioParty("line@biloxi.com", engine=engine) as line:
        line.configure(authenticator={user: password}, max_calls=20)
        line.on(CallReceived, serve)
        line.on(AttackDetected, report)
        line.listen(5060 if address else None, address=address or "127.0.0.1")
        await (asyncio.Event().wait() if address else try_it(line))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

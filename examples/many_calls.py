"""Many calls at once in asyncio, without threads: `python many_calls.py [how many]`."""

import asyncio
import sys

from sipparty import NoMediaSimpleCallsParty


async def one_call(alice: NoMediaSimpleCallsParty, bob: NoMediaSimpleCallsParty) -> str:
    """Call, be answered, hang up."""
    async with alice.call(bob) as call:
        pass
    return call.state


async def main(number: int) -> None:
    async with (
        NoMediaSimpleCallsParty("bob@biloxi.com") as bob,
        NoMediaSimpleCallsParty("alice@atlanta.com") as alice,
    ):
        bob.listen(0, address="127.0.0.1")
        states = await asyncio.gather(*(one_call(alice, bob) for _ in range(number)))
    print(f"{states.count('Terminated')} of {number} calls made and ended")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))

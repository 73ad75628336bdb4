"""sipparty as UAC: `invite`, `await`, `terminate`, `await`, a task a call.

A call counts as ended once its BYE was answered.
"""

from __future__ import annotations

import asyncio

from phases import TICK, Phases
from support import ADDRESS, arguments, ready

from sipparty.errors import SIPPartyError
from sipparty.parties import NoMediaSimpleCallsParty


async def _main() -> None:
    options = arguments(client=True)
    loop = asyncio.get_running_loop()
    target = f"sip:uas@{ADDRESS}:{options.target}"
    held = []
    tasks = set()

    async def call(hold: bool) -> None:
        dialog = party.invite(target)
        try:
            await dialog
            if hold:
                held.append(dialog)
            else:
                dialog.terminate()
                await dialog
        except SIPPartyError:
            phases.done(ok=False)
        else:
            phases.done()

    def start(hold: bool) -> None:
        task = loop.create_task(call(hold))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def tick() -> None:
        loop.call_later(TICK, tick)
        phases.tick()

    phases = Phases(options.phases, start)
    async with NoMediaSimpleCallsParty(aor=f"bench@{ADDRESS}") as party:
        party.listen(port=options.port, address=ADDRESS)
        ready(options.port)
        tick()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

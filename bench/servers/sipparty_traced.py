"""sipparty as UAS, as `sipparty_uas` is, with a trace of all that happens."""

from __future__ import annotations

import asyncio

from support import ADDRESS, arguments, ready

from sipparty import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.trace import Trace


async def _main() -> None:
    options = arguments()
    engine = Engine(asyncio.get_running_loop())
    async with NoMediaSimpleCallsParty(aor=f"bench@{ADDRESS}", engine=engine) as party:
        party.listen(port=options.port, address=ADDRESS, transport=options.transport)
        with Trace(party):
            ready(options.port)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

"""sipparty as UAS: a party that listens, on the program's own loop; it answers by itself."""

from __future__ import annotations

import asyncio

from support import ADDRESS, arguments, ready

from sipparty.parties import NoMediaSimpleCallsParty


async def _main() -> None:
    options = arguments()
    async with NoMediaSimpleCallsParty(aor=f"bench@{ADDRESS}") as party:
        party.listen(port=options.port, address=ADDRESS)
        ready(options.port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

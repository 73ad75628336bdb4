"""sipparty as UAS: a party that listens, on the program's own loop; it answers by itself."""

from __future__ import annotations

import asyncio

from support import ADDRESS, arguments, ready

from sipparty import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.transport import TLSConfig


async def _main() -> None:
    options = arguments()
    engine = Engine(asyncio.get_running_loop(), tls=TLSConfig(options.certificate))
    async with NoMediaSimpleCallsParty(aor=f"bench@{ADDRESS}", engine=engine) as party:
        party.listen(port=options.port, address=ADDRESS, transport=options.transport)
        ready(options.port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

"""aiosipua as UAS: `SipUAS` with an `on_invite` callback that rings and accepts."""

from __future__ import annotations

import asyncio

from aiosipua import IncomingCall, SipUAS
from aiosipua.transport import TcpSipTransport, UdpSipTransport
from support import ADDRESS, arguments, ready

#: It has no TLS.
_TRANSPORTS = {"UDP": UdpSipTransport, "TCP": TcpSipTransport}


def _on_invite(call: IncomingCall) -> None:
    call.ringing()
    call.accept()


async def _main() -> None:
    options = arguments()
    uas = SipUAS(_TRANSPORTS[options.transport](local_addr=(ADDRESS, options.port)))
    uas.on_invite = _on_invite
    await uas.start()
    ready(options.port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

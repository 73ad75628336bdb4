"""aiosipua as UAC: `send_invite`, and `hangup` from its `on_answer` callback.

Its calls are driven by callbacks and not by `wait_answered`, which costs two tasks a call. A call
counts as ended once its BYE was sent: the library has no event for the response.
"""

from __future__ import annotations

import asyncio

from aiosipua import OutgoingCall, SipUAC, SipUAS
from aiosipua.transport import UdpSipTransport
from phases import TICK, Phases
from support import ADDRESS, arguments, ready


async def _main() -> None:
    options = arguments(client=True)
    loop = asyncio.get_running_loop()
    transport = UdpSipTransport(local_addr=(ADDRESS, options.port))
    uac = SipUAC(transport)
    # Responses reach the UAC through the UAS that owns the transport.
    uas = SipUAS(transport, uac=uac)
    await uas.start()

    def hold_it(call: OutgoingCall) -> None:
        phases.done()

    def hang_up(call: OutgoingCall) -> None:
        call.hangup(uac)
        phases.done()

    def rejected(call: OutgoingCall, status: int, reason: str) -> None:
        phases.done(ok=False)

    def start(hold: bool) -> None:
        call = uac.send_invite(
            f"sip:bench@{ADDRESS}", f"sip:uas@{ADDRESS}:{options.target}", (ADDRESS, options.target)
        )
        call.on_answer = hold_it if hold else hang_up
        call.on_rejected = rejected

    def tick() -> None:
        loop.call_later(TICK, tick)
        phases.tick()

    phases = Phases(options.phases, start)
    ready(options.port)
    tick()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())

"""sippy as UAC: a `UA` a call, begun with a try event and ended with a disconnect event.

The disconnect follows one turn of sippy's loop (10 ms) after the answer, since the ACK is sent when
the event callback has returned. A call counts as ended once its BYE was sent: the library has no
event for the response.
"""

from __future__ import annotations

from typing import Any

from phases import TICK, Phases
from sippy.CCEvents import CCEventConnect, CCEventDisconnect, CCEventFail, CCEventTry
from sippy.Time.Timeout import Timeout
from sippy.UA import UA
from sippy_stack import ED2, stack
from support import ADDRESS, arguments, ready


def main() -> None:
    """Call until it is stopped."""
    options = arguments(client=True)
    config = stack(options.port, lambda request, transaction: None)
    target = (ADDRESS, options.target)

    def hang_up(ua: UA) -> None:
        ua.recvEvent(CCEventDisconnect())
        phases.done()

    def on_event(event: Any, ua: UA) -> None:
        if isinstance(event, CCEventConnect):
            Timeout(hang_up, 0.0, 1, ua)
        elif isinstance(event, CCEventFail):
            phases.done(ok=False)

    def on_held_event(event: Any, ua: UA) -> None:
        if isinstance(event, (CCEventConnect, CCEventFail)):
            phases.done(ok=isinstance(event, CCEventConnect))

    def start(hold: bool) -> None:
        ua = UA(config, on_held_event if hold else on_event, nh_address=target)
        ua.recvEvent(CCEventTry((None, "bench", "uas", None, None, None)))

    phases = Phases(options.phases, start)
    ready(options.port)
    Timeout(phases.tick, TICK, -1)
    ED2.loop()


if __name__ == "__main__":
    main()

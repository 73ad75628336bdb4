"""sippy as UAS: a `UA` a call, answered with ring and connect events from its event callback."""

from __future__ import annotations

from typing import Any

from sippy.CCEvents import CCEventConnect, CCEventRing, CCEventTry
from sippy.UA import UA
from sippy_stack import ED2, contact, stack
from support import arguments, ready


def _on_event(event: Any, ua: UA) -> None:
    if isinstance(event, CCEventTry):
        ua.recvEvent(CCEventRing((180, "Ringing", None)))
        ua.recvEvent(CCEventConnect((200, "OK", None)))


def main() -> None:
    """Answer until it is stopped."""
    options = arguments()

    def receive(request: Any, transaction: Any) -> Any:
        if request.getHFBody("to").getTag() is not None:
            return (request.genResponse(481, "Call Leg/Transaction Does Not Exist"), None, None)
        if request.getMethod() == "INVITE":
            ua = UA(config, _on_event)
            ua.lContact = contact(options.port)
            return ua.recvRequest(request, transaction)
        return (request.genResponse(501, "Not Implemented"), None, None)

    config = stack(options.port, receive)
    ready(options.port)
    ED2.loop()


if __name__ == "__main__":
    main()

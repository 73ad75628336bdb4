"""A page of anybody's, in a browser behind our firewall, that would call us."""

from __future__ import annotations

from typing import Any

import pytest

from sipparty.transport import WebSocketConfig

from ..faults.raw import HANDSHAKE, dial, frame, read_all, request

EVIL = HANDSHAKE[:-2] + b"Origin: https://evil.example\r\n\r\n"


@pytest.mark.parametrize("transport", ["ws", "wss"])
@pytest.mark.parametrize("options", [{}, {"websocket": WebSocketConfig(path="/sip")}])
def test_a_page_of_any_site(defended: Any, transport: str, options: Any) -> None:
    """Browsers let every page open a WebSocket to every host, and say whose page it is. Until sites
    are named it is refused; a program, which names none, is served.
    """
    bob = defended(transport, options=options)
    with dial(bob.port, transport, shake=False) as page:
        page.sendall(EVIL)
        page.sendall(frame(request("INVITE", transport), transport))
        assert read_all(page).startswith(b"HTTP/1.1 403 ")
    assert bob.received() == 0
    with dial(bob.port, transport) as program:
        program.sendall(frame(request("OPTIONS", transport), transport))
        assert b"SIP/2.0 200 " in program.recv(65536)
    bob.check()

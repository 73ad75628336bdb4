"""What the PBX that tests register with does by itself, seen by SIPp alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .pbx import PASSWORD
from .peer import TCP, UDP, Transport, over
from .sipp import SIPp

Make = Callable[..., Any]


@over(UDP, TCP)
def test_sipp_registers(sipp: SIPp, pbx: Make, transport: Transport) -> None:
    port = pbx(transports=[transport.name]).ports[transport.name]
    sipp.call("uac_registers", port, user="sipp", USER="sipp", PASSWORD=PASSWORD).finish()

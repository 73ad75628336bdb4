"""What the two sippy programs share: its configuration and its loop.

In its favour: no message log, one thread that sends and one that receives instead of three and
three (which on one core only get in each other's way, and let a 200 overtake its 180), and a
Contact without a display name, which SIPp would take for a part of the URI.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# Read by SipLogger when it is made: the log would otherwise write every message to stderr.
os.environ["SIPLOG_BEND"] = "none"

from sippy.Core.EventDispatcher import ED2
from sippy.SipAddress import SipAddress
from sippy.SipConf import SipConf
from sippy.SipContact import SipContact
from sippy.SipLogger import SipLogger
from sippy.SipTransactionManager import SipTransactionManager
from sippy.SipURL import SipURL
from sippy.Udp_server import Udp_server, Udp_server_opts
from support import ADDRESS

__all__ = ["ED2", "contact", "stack"]


class _OneWorker(Udp_server_opts):
    nworkers = 1


class _Manager(SipTransactionManager):
    model_udp_server = (Udp_server, _OneWorker)


def contact(port: int) -> SipContact:
    """A Contact of an address alone."""
    return SipContact(address=SipAddress(url=SipURL(host=ADDRESS, port=port), hadbrace=True))


def stack(port: int, receive: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """Bind and return sippy's configuration, its transaction manager in it.

    Args:
        port: UDP port on 127.0.0.1.
        receive: Takes a request outside every dialog and its transaction.
    """
    SipConf.my_address = ADDRESS
    config: dict[str, Any] = {
        "_sip_address": ADDRESS,
        "_sip_port": port,
        "_sip_logger": SipLogger("bench"),
    }
    config["_sip_tm"] = _Manager(config, receive)
    return config

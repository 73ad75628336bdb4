"""Coturn as a STUN server, and its client."""

from __future__ import annotations

import socket
from pathlib import Path

from .peer import Peer, Transport, bound_ports, require, wait_for

__all__ = ["Coturn"]


class Coturn:
    """One `turnserver` that does nothing but STUN over UDP.

    Args:
        folder: Where its files go.
        transport: The family of its address.
        port: Its port.
    """

    def __init__(self, folder: Path, transport: Transport, port: int) -> None:
        command = [require("turnserver"), "-n", "--stun-only", "--no-auth", "--no-cli"]
        command += ["--no-tcp", "--no-tls", "--no-dtls", "--no-rfc5780", "--log-file=stdout"]
        command += [f"--listening-ip={transport.host}", f"--listening-port={port}"]
        command += [f"--pidfile={folder / 'turnserver.pid'}", f"--userdb={folder / 'turndb'}"]
        self._peer = Peer(command, folder, "turnserver")
        wait_for(
            lambda: port in bound_ports(socket.SOCK_DGRAM) or not self._peer.running,
            f"turnserver listens on port {port}",
            10,
            lambda: self._peer.output,
        )
        assert self._peer.running, self._peer.output

    def stop(self) -> None:
        """End it; may be called more than once."""
        self._peer.stop()

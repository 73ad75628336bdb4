"""The connections that we have opened, by where they lead, and those that are being opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from sipparty.sip.core import FlowWanted
from sipparty.transport.stream import Connection
from sipparty.transport.targets import Target

__all__ = ["ConnectionPool", "Key", "Pending", "key_of"]

#: What a connection that we opened is known by: transport, address, port, name and source.
Key = tuple[str, str, int, str, str]


def key_of(target: Target, source: str) -> Key:
    """Return what a connection is known by: where it leads, under which name, and from where. By
    TCP there is no name: nobody proves one.
    """
    name = "" if target.transport == "TCP" else target.server_name
    return target.transport, target.address, target.port, name, source


@dataclass(eq=False, slots=True)
class Pending:
    """A connection that is being made: who waits for it, and where else each of them may go."""

    wanted: list[FlowWanted] = field(default_factory=list)
    others: list[list[Target]] = field(default_factory=list)


class ConnectionPool:
    """Connections for what goes to the same place (RFC 5923).

    Args:
        most: How many are kept; beyond so many, the one idle longest is closed.

    Attributes:
        connections: What is kept.
        pending: What is being made.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.connections: dict[Key, Connection] = {}
        self.pending: dict[Key, Pending] = {}

    def get(self, key: Key) -> Connection | None:
        """Return a connection that can be used; None where there is none."""
        connection = self.connections.get(key)
        if connection is None or connection.closed or connection.flow is None:
            return None
        return connection

    def keep(self, key: Key, connection: Connection) -> Connection:
        """Keep a connection; return the one to be used, which is the former where it still can."""
        other = self.get(key)
        if other is not None:
            # Another call was faster: one connection will do (RFC 5923).
            connection.close()
            return other
        kept = [one for one in self.connections.values() if not one.closed]
        if len(kept) >= self.most:
            min(kept, key=lambda one: one.last_used).close()
        self.connections[key] = connection
        return connection

    def drop(self, connection: object) -> bool:
        """Have nothing new go by a connection; False if it is none of these."""
        keys = [key for key, kept in self.connections.items() if kept is connection]
        for key in keys:
            del self.connections[key]
        return bool(keys)

    def clear(self) -> None:
        """Forget everything."""
        self.connections.clear()
        self.pending.clear()

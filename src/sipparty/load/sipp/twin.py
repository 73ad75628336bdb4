"""The other half of a 3PCC pair, and the connection to it.

Commands are texts with lines as a SIP message has, each with an ESC (27) behind it, both ways. Who
sends the first command connects, the other one listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipparty.errors import ListenError, TransportError

__all__ = ["Twin"]

_END = b"\x1b"


class Twin:
    """The connection to a twin.

    Args:
        take: Called with each command that comes.
    """

    #: The longest command, in bytes.
    MAX_COMMAND = 65_536

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self, host: str, port: int) -> None:
        """Connect to a twin that listens.

        Raises:
            TransportError: It cannot be reached.
        """
        try:
            reader, self._writer = await asyncio.open_connection(host, port, limit=self.MAX_COMMAND)
        except OSError as error:
            raise TransportError(
                f"The twin at {host} port {port} cannot be reached: {error.strerror or error}."
            ) from error
        self._task = asyncio.get_running_loop().create_task(self._read(reader))

    async def listen(self, host: str, port: int) -> None:
        """Wait for a twin to connect.

        Raises:
            ListenError: The address cannot be had.
        """
        try:
            self._server = await asyncio.start_server(
                self._connected, host, port, limit=self.MAX_COMMAND
            )
        except OSError as error:
            raise ListenError(
                f"Cannot listen for the twin on {host} port {port}: {error.strerror or error}."
            ) from error

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            writer.close()  # there is one twin
            return
        self._writer, self._task = writer, asyncio.current_task()
        await self._read(reader)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                data = await reader.readuntil(_END)
                self._take(data[:-1].decode("utf-8", "surrogateescape"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def send(self, text: str) -> None:
        """Send a command.

        Raises:
            TransportError: The twin is not there.
        """
        if self._writer is None or self._writer.is_closing():
            raise TransportError("The twin is not there.")
        self._writer.write(text.encode("utf-8", "surrogateescape") + _END)

    async def close(self) -> None:
        """Give everything back."""
        if self._server is not None:
            self._server.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

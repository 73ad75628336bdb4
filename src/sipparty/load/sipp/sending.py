"""What a call sends, and sends again while nothing comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sipparty.load.sipp.model import Command

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call

__all__ = ["Sending"]


class Sending:
    """Sends the messages of a call.

    Args:
        call: The call.
    """

    __slots__ = ("_call", "_timer")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._timer: asyncio.TimerHandle | None = None

    def send(self, data: bytes, command: Command) -> None:
        """Send the message of a command, and again as it says, in the place of the one before."""
        call = self._call
        self.stop()
        self._transmit(data, command)
        if command.retrans and call.options.retransmit and not call.flow.reliable:
            self._again_after(command.retrans, data, command, 0)

    def send_texts(self, texts: list[str]) -> None:
        """Send messages that are no command's, once."""
        for text in texts:
            data = text.encode("utf-8", "surrogateescape")
            self._call.player.exchange.send(data, self._call.flow)

    def stop(self) -> None:
        """Send nothing again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _transmit(self, data: bytes, command: Command) -> None:
        if not self._call.player.loses(command):
            self._call.player.exchange.send(data, self._call.flow)

    def _again_after(self, delay: float, data: bytes, command: Command, times: int) -> None:
        loop = self._call.player.engine.loop
        self._timer = loop.call_later(delay, self._again, delay, data, command, times)

    def _again(self, delay: float, data: bytes, command: Command, times: int) -> None:
        self._timer = None
        call, invites = self._call, command.method == "INVITE"
        options, row = call.options, call.player.statistics.rows[command.number]
        most = options.max_invite_retransmissions if invites else options.max_retransmissions
        if times >= most:
            row.timeouts += 1
            call.abandon(f"{command.name} was sent {times + 1} times in vain")
            return
        row.retransmissions += 1
        call.player.exchange.count_again(sent=True)
        self._transmit(data, command)
        # RFC 3261 §17.1.1.2 doubles without an end for an INVITE, §17.1.2.2 up to T2 for others.
        delay = 2 * delay if invites else min(2 * delay, options.t2)
        self._again_after(delay, data, command, times + 1)

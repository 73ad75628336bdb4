"""The hosts that media was sent to, and from which nothing has come: one memory for all calls.

Any offer may name anybody's address (the "voice hammer"). What one call may send there is limited
in that call; this is what all calls together may, for as long as it is remembered.

Laws:

* A host has so many seconds of unproven media, whichever calls they are of; then none, until
  something comes from it, or nothing was sent to it for `REMEMBERED` seconds.
* No more than `MAX_HOSTS` are remembered; the one that was sent to longest ago is forgotten first.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEAST", "MAX_HOSTS", "REMEMBERED", "UnprovenHosts"]

#: Seconds that a host is remembered, from the last packet to it on.
REMEMBERED: Final = 300.0
#: How many hosts are remembered, at most.
MAX_HOSTS: Final = 1024
#: Seconds that a packet counts, at least: calls of one packet each are not for nothing.
LEAST: Final = 0.02


class UnprovenHosts:
    """What was sent to hosts that have not shown that they want it."""

    __slots__ = ("_hosts",)

    def __init__(self) -> None:
        # The seconds that were sent, and when the last was: the oldest of the latter first.
        self._hosts: dict[str | int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._hosts)

    def seconds(self, host: str | int, now: float) -> float:
        """Seconds of media that went to a host, as far as it is remembered."""
        seconds, last = self._hosts.get(host, (0.0, now))
        return seconds if now - last < REMEMBERED else 0.0

    def sent(self, host: str | int, seconds: float, now: float) -> None:
        """Take note of a packet to a host, and of the seconds since the one before."""
        hosts = self._hosts
        total = self.seconds(host, now) + max(seconds, LEAST)
        hosts.pop(host, None)
        hosts[host] = total, now
        if len(hosts) > MAX_HOSTS:
            del hosts[next(iter(hosts))]

    def proven(self, host: str | int) -> None:
        """Forget a host: something has come from it."""
        self._hosts.pop(host, None)

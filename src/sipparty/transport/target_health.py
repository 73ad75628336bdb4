"""Which targets are down (RFC 3263 §4.3).

Laws: `now` is an argument; memory is bounded; what is down is tried last, never not at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipparty.transport.targets import Target

__all__ = ["TargetHealth"]


class TargetHealth:
    """A memory of targets that do not answer, so that the next request goes to a live one at once
    (RFC 3263 §4.3).

    Args:
        duration: How long a target is left alone after a failure, in seconds; 32 s is what a
        request waits for an answer (RFC 3261 §17.1.1.2, timer B).
        max_duration: The longest that a Retry-After can have it left alone, in seconds.
        max_targets: How many are remembered; the one longest known is forgotten first.

    Attributes:
        until: Until when each is left alone, by transport, address and port.
    """

    def __init__(
        self, duration: float = 32.0, *, max_duration: float = 600.0, max_targets: int = 1024
    ) -> None:
        self.duration = duration
        self.max_duration = max_duration
        self.max_targets = max_targets
        self.until: dict[tuple[str, str, int], float] = {}

    def __len__(self) -> int:
        return len(self.until)

    def mark(self, target: Target, now: float, *, retry_after: float | None = None) -> None:
        """Note that a target failed: a timeout, a transport error, or a 503 (RFC 3263 §4.3).

        Args:
            target: The target.
            now: The time in seconds, on any clock that only goes forward.
            retry_after: The Retry-After of its 503, in seconds (RFC 3261 §21.5.4); None for none.
        """
        wait = self.duration if retry_after is None else min(retry_after, self.max_duration)
        key = target[:3]
        self.until.pop(key, None)
        self.until[key] = now + max(0.0, wait)
        while len(self.until) > self.max_targets:
            del self.until[next(iter(self.until))]

    def clear(self, target: Target) -> None:
        """Note that a target answered."""
        self.until.pop(target[:3], None)

    def is_down(self, target: Target, now: float) -> bool:
        """Whether a target is to be left alone yet."""
        until = self.until.get(target[:3])
        if until is None:
            return False
        if until <= now:
            del self.until[target[:3]]
            return False
        return True

    def order(self, targets: Iterable[Target], now: float) -> list[Target]:
        """Put the targets that are down behind the others, the soonest to be tried again first.

        None is left out: if all are down, trying is better than failing.
        """
        live: list[Target] = []
        down: list[Target] = []
        for target in targets:
            (down if self.is_down(target, now) else live).append(target)
        down.sort(key=lambda target: self.until[target[:3]])
        return live + down

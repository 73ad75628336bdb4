"""The timers of RFC 3261 §17 (Table 4 in Annex A), as one set of values that a test or a slow
network may change.
"""

from __future__ import annotations

from sipparty.records import Record

__all__ = ["Timing"]


class Timing(Record):
    """Timer values, in seconds.

    Args:
        t1: An estimate of the round-trip time; 0.5 by default (RFC 3261 §17.1.1.1).
        t2: The longest interval between retransmissions of anything but an INVITE; 4.
        t4: How long a message can stay in the network; 5.
        timer_d: How long retransmitted final answers are acknowledged over UDP; 32 (§17.1.1.2).
        trying: How soon an INVITE that nobody answered is answered with 100; 0.2 (§17.2.1).
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timer_d: float = 32.0
    trying: float = 0.2

    @property
    def transaction(self) -> float:
        """64 * T1: timers B, F, H, J, L and M, and the time a CANCEL or a 2xx is given."""
        return 64 * self.t1

"""Where a peer may have us send requests: what of the addresses that it names is within its reach.

Contact and Record-Route are a peer's word. One on the Internet that names an address of our own
network would have us send to hosts that it cannot reach by itself.

Laws:

* A peer may name its own address, and what is as far away as itself or farther: one on this host
  anything, one in a private network all but this host and its link, one on the Internet what is on
  the Internet.
* Nobody may name what no request can go to: multicast, broadcast, the unspecified address.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum
from functools import lru_cache

__all__ = ["Scope", "is_within_reach", "scope_of"]


class Scope(IntEnum):
    """How far away an address is."""

    NOWHERE = 0
    HOST = 1
    LINK = 2
    PRIVATE = 3
    INTERNET = 4


@lru_cache(maxsize=1024)
def scope_of(host: str) -> Scope:
    """Return how far away a numeric address is; `NOWHERE` for what is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return Scope.NOWHERE
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return Scope.HOST
    if address.is_multicast or address.is_unspecified:
        return Scope.NOWHERE
    if isinstance(address, ipaddress.IPv4Address) and (
        address.is_reserved or address.packed[0] == 0
    ):
        return Scope.NOWHERE  # RFC 1122 §3.2.1.3: broadcast is among what is reserved
    if address.is_link_local:
        return Scope.LINK
    return Scope.INTERNET if address.is_global else Scope.PRIVATE


def is_within_reach(target: str, peer: str) -> bool:
    """Whether a peer may have requests sent to an address: the default of `Policy.named_targets`.

    Args:
        target: The numeric address that it names, or that a name of its leads to.
        peer: The address that its messages come from.
    """
    there = scope_of(target)
    return there > Scope.NOWHERE and (target == peer or Scope.NOWHERE < scope_of(peer) <= there)

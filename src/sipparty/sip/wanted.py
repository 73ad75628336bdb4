"""What a core asks of its owner, as events: it does no I/O, so it can find no flow by itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from sipparty.sip.events import Event
from sipparty.sip.flow import Flow
from sipparty.sip.routing import NextHop

__all__ = [
    "AccountUser",
    "AccountWanted",
    "FlowUser",
    "FlowWanted",
    "KeepAliveUser",
    "KeepAliveWanted",
    "KeptAlive",
    "TargetAnswered",
    "TargetFailed",
]


class FlowUser(Protocol):
    """Who asked for a flow."""

    def flow_found(self, flow: Flow) -> None:
        """Take the flow."""

    def flow_failed(self, reason: str) -> None:
        """Take note that there is none."""


class FlowWanted(Event, eq=False):
    """The core asks for a flow; answer with `core.flow_found` or `core.flow_failed`.

    Args:
        next_hop: Where to.
        endpoint: What to send from, if it still can be, or a whole `Flow` to be taken as it is;
            None for the agent's own.
        user: Who waits for it.
        reliable: Whether UDP will do only if nothing else does (RFC 3261 §18.1.1).
        tried: Targets that failed: transport, address and port.
    """

    next_hop: NextHop
    endpoint: Hashable
    user: FlowUser
    reliable: bool = False
    tried: tuple[tuple[str, str, int], ...] = ()


class TargetFailed(Event, eq=False):
    """What a flow leads to did not answer, or answered 503 (RFC 3263 §4.3).

    Args:
        flow: The flow.
        retry_after: The Retry-After of its 503, in seconds; None for none.
    """

    flow: Flow
    retry_after: float | None


class TargetAnswered(Event, eq=False):
    """What a flow leads to has answered, after it was said not to.

    Args:
        flow: The flow.
    """

    flow: Flow


class AccountUser(Protocol):
    """Who asked for an account."""

    def account_found(self, account: Any) -> None:
        """Take the account, or the password; None for nobody."""

    def account_failed(self, reason: str, busy: bool) -> None:
        """Take note that it was not found out whether there is one; `busy` if nobody has looked."""


class AccountWanted(Event, eq=False):
    """The core asks for the account that somebody claims; answer with `core.account_found` or
    `core.account_failed`.

    Args:
        find: Finds it: it may take its time, give an awaitable, and raise.
        user: Who waits for it.
    """

    find: Callable[[], Any]
    user: AccountUser


class KeptAlive(Protocol):
    """What keeps a flow open."""

    def stop(self) -> object:
        """Keep it open no longer."""


class KeepAliveUser(Protocol):
    """Who asked for a flow to be kept open."""

    def keep_alive_started(self, kept: KeptAlive) -> None:
        """Take what does it."""


class KeepAliveWanted(Event, eq=False):
    """The core asks for a flow to be kept open (RFC 5626 §4.4); who may not do so does nothing.

    Args:
        flow: The flow.
        interval: The most seconds between pings; None for the RFC's.
        user: Who asks, and is given what does it.
    """

    flow: Flow
    interval: float | None
    user: KeepAliveUser

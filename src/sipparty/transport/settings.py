"""What a user may set of transports, where no library has to be there for it to be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["WebSocketConfig"]


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    """How an engine serves and opens WebSockets (RFC 7118).

    Args:
        origins: The web sites whose pages may connect, such as "https://example.com"; by default
            there are none, and None is for any. Only browsers name the site, and only they are
            refused: anybody else could name any (RFC 6455 §10.2). Without this, every page that
            somebody behind our firewall looks at could call us.
        path: The path, and query if any, that is asked for where we connect: "/" by default. As a
            server every path is taken.
    """

    origins: Sequence[str] | None = ()
    path: str = "/"

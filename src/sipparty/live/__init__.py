"""Calls as they are made: in a terminal, and on a page for browsers.

    ==================  ===================================================================
    `watch`             a terminal that shows the calls of parties, until it is left
    `serve_page`        a page on this machine that shows them, while the program goes on
    ==================  ===================================================================

Both take parties, engines, or the path of a trace of JSON lines that may grow; and both show one
model: each call with its state and how it sounds, its ladder, its state machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sipparty.live.page import LivePage

__all__ = ["serve_page", "watch"]


def watch(*of: Any, interval: float = 0.5) -> None:
    """Show calls in the terminal, until the user leaves: see `sipparty.live.screen` for the keys.

    Args:
        of: Parties or engines, whose calls go on meanwhile on their own thread; or the path of a
            trace of JSON lines.
        interval: Seconds between two looks at what has happened.

    Raises:
        ModuleNotFoundError: The extra `watch` is not installed.
        OSError: The file cannot be read.
        UsageError: There is nothing to be shown.
    """
    from sipparty.live.sources import source_of

    source = source_of(*of)
    try:
        from sipparty.live.screen import LiveScreen
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Watching calls in a terminal needs Textual: pip install 'sipparty[watch]'.",
            name=error.name,
        ) from error
    LiveScreen(source, interval=interval).run()


def serve_page(*of: Any, port: int = 0, interval: float = 0.5) -> LivePage:
    """Serve a page that shows calls, on 127.0.0.1, to who has the token that its address has.

        with serve_page(alice) as page:
            print(page.url)
            ...

    Args:
        of: Parties or engines, or the path of a trace of JSON lines.
        port: The page's port; 0 for a free one.
        interval: Seconds between two looks at what has happened.

    Raises:
        ListenError: The port is taken.
        OSError: The file cannot be read.
        UsageError: There is nothing to be shown.
    """
    from sipparty.live.page import LivePage
    from sipparty.live.sources import source_of

    return LivePage(source_of(*of), port, interval=interval)

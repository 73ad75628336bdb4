"""What `call` and `answer` have in common: their options, what they say of a call, its evidence."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sipparty.cli.screen import Screen, safe
from sipparty.errors import SIPPartyError
from sipparty.media import (
    MediaStarted,
    PlaybackEnded,
    RecordingFailed,
    RemoteFellSilent,
    RemoteLeft,
    SourceHeard,
    WAVRecorder,
    WAVSource,
    find_codec,
)
from sipparty.sip import URI
from sipparty.sip.events import MediaEvent
from sipparty.trace import LOGGER, Ladder, MediaRecord, PcapWriter, WireRecord, summarise

__all__ = [
    "Codec",
    "Duration",
    "Evidence",
    "Pcap",
    "Play",
    "Record",
    "ShowLadder",
    "Trace",
    "address",
    "check",
    "evidence",
    "media_options",
    "say_media",
    "summary",
]

Play = Annotated[Path | None, typer.Option(help="WAV file to play.", metavar="FILE")]
Record = Annotated[Path | None, typer.Option(help="WAV file to record to.", metavar="FILE")]
Duration = Annotated[
    float | None,
    typer.Option(help="Hang up after so many seconds of talk.", min=0, metavar="SECONDS"),
]
Codec = Annotated[
    list[str] | None,
    typer.Option(help="Codec to offer, PCMU or PCMA; the preferred one first.", metavar="NAME"),
]
Trace = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show every SIP message, on standard error.")
]
ShowLadder = Annotated[bool, typer.Option("--ladder", help="Draw the ladder at the end.")]
Pcap = Annotated[
    Path | None, typer.Option(help="Write the SIP messages to a capture file.", metavar="FILE")
]


def check(make: Callable[[], Any], option: str) -> Any:
    """Make something of an option.

    Raises:
        BadParameter: It cannot be made; the program exits with code 2.
    """
    try:
        return make()
    except (SIPPartyError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def address(text: str, option: str) -> str:
    """An address as the user gave it, checked: a `sip:` URI with a user."""
    uri: URI = check(lambda: URI.from_user_text(text), option)
    if not uri.username or not uri.address:
        raise typer.BadParameter(f"{text!r} lacks a user or a host: user@host.", param_hint=option)
    return str(uri)


def media_options(play: Path | None, record: Path | None, codecs: Iterable[str]) -> dict[str, Any]:
    """The options of a call's media session, checked."""
    options: dict[str, Any] = {}
    names = tuple(codecs)
    for name in names:
        check(lambda name=name: find_codec(name), "--codec")  # type: ignore[misc]
    if names:
        options["codecs"] = names
    if play is not None:
        check(lambda: WAVSource(play), "--play")
        options["play"] = play
    if record is not None:
        check(lambda: WAVRecorder(record), "--record")
        if record.exists() and not os.access(record, os.W_OK):
            raise typer.BadParameter(f"{record} cannot be written.", param_hint="--record")
        options["record"] = record
    return options


class Evidence:
    """The taps on the wire that the options ask for.

    Args:
        ladder: Whether a ladder is wanted.
        pcap: The capture file; None for none.
        us: What the ladder calls our end.
    """

    def __init__(self, ladder: bool, pcap: Path | None, us: str) -> None:
        self.ladder = Ladder() if ladder else None
        self.pcap = None if pcap is None else check(lambda: PcapWriter(pcap), "--pcap")
        self._us = us

    def taps(self) -> list[Any]:
        """What to put on the wire."""
        return [tap for tap in (self.ladder, self.pcap) if tap is not None]

    def note_media(self, dialog: Any, answered_at: float) -> None:
        """Have the ladder tell of the media of a call that is over."""
        session = dialog.session
        if self.ladder is None or session is None or session.negotiated is None or not answered_at:
            return
        mine = [
            (record, found)
            for record in self.ladder
            if isinstance(record, WireRecord)
            and (found := summarise(record.data)) is not None
            and found.call_id == dialog.call_id
        ]
        if not mine:
            return
        byes = [record.time for record, found in mine if found.method == "BYE"]
        over = min(byes, default=time.time()) - 1e-6
        stats = session.statistics
        self.ladder(
            MediaRecord(
                over,
                mine[0][0].local,
                mine[0][0].remote,
                stats.packets_sent,
                stats.packets_received,
                max(0, stats.lost),
                session.negotiated.formats[0].encoding,
                over - answered_at,
                dialog.call_id,
            )
        )

    def show(self, screen: Screen) -> None:
        """Draw the ladder."""
        if self.ladder is None:
            return
        for record in self.ladder:
            if isinstance(record, WireRecord):
                self.ladder.names[record.local] = self._us
        screen.title("The messages")
        screen.ladder(self.ladder)


@contextmanager
def evidence(
    ladder: bool, pcap: Path | None, verbose: bool, us: str, engine: Callable[[], Any]
) -> Generator[Evidence, None, None]:
    """Watch the wire while the commands' calls last.

    Args:
        ladder: Whether to draw a ladder.
        pcap: The capture file.
        verbose: Whether to show messages.
        us: What our end is called.
        engine: Gives the engine whose wire it is.
    """
    kept = Evidence(ladder, pcap, us)
    wire = engine().wire
    logger = logging.getLogger(LOGGER)
    level, handler = logger.level, logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    if verbose:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    for tap in kept.taps():
        wire.add(tap)
    try:
        yield kept
    finally:
        for tap in kept.taps():
            wire.remove(tap)
        if kept.pcap is not None:
            kept.pcap.close()
        if verbose:
            logger.removeHandler(handler)
            logger.setLevel(level)


def say_media(screen: Screen, event: MediaEvent, prefix: str = "") -> None:
    """Print a line about a media event."""
    match event:
        case MediaStarted(codec=codec, remote=remote):
            where = f" to {remote[0]} port {remote[1]}" if remote else ""
            text = f"sending {codec}{where}" if codec else "no stream was agreed on"
        case SourceHeard(address=remote):
            text = f"hearing {remote[0]} port {remote[1]}"
        case RemoteFellSilent(seconds=seconds):
            text = f"nothing was heard for {seconds:.0f} s"
        case RemoteLeft(reason=reason):
            text = "the other side stopped sending" + (f": {safe(reason)}" if reason else "")
        case PlaybackEnded(playback=playback):
            # Where the call ended first, that is told by the call.
            if playback.outcome == "stopped":
                return
            text = f"the clip is over ({playback.outcome})"
        case RecordingFailed(error=error):
            text = f"the recording failed: {error}"
        case _:
            return
    screen.line(prefix + text)


def summary(screen: Screen, dialog: Any, prefix: str = "") -> None:
    """Print what became of the media of a call that is over."""
    session = dialog.session
    if session is None or session.negotiated is None:
        return
    stats = session.statistics
    text = f"{stats.packets_sent} packets sent, {stats.packets_received} received"
    text += f", {max(0, stats.lost)} lost, jitter {stats.jitter * 1000:.1f} ms"
    if stats.remote is not None:
        text += f"; the other side reported {max(0, stats.remote.lost)} lost"
    screen.line(prefix + text)

"""Options of the commands that carry audio."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from sipparty.cli.options import check
from sipparty.media import WAVRecorder, WAVSource, find_codec

__all__ = ["MediaOptions"]


@dataclass
class MediaOptions:
    """What is played and recorded, and how it is encoded."""

    PANEL: ClassVar[str] = "Audio"

    play: Annotated[Path | None, typer.Option(help="WAV file to play.", metavar="FILE")] = None
    record: Annotated[Path | None, typer.Option(help="WAV file to record to.", metavar="FILE")] = (
        None
    )
    codec: Annotated[
        list[str] | None,
        typer.Option(help="Codec, such as PCMU; again for a second choice.", metavar="NAME"),
    ] = None

    def resolve(self) -> dict[str, Any]:
        """Return the options of a call's media session, checked.

        Raises:
            BadParameter: A file or a codec cannot be used.
        """
        for name in self.codec or ():
            check(lambda name=name: find_codec(name), "--codec")  # type: ignore[misc]
        if self.play is not None:
            check(lambda: WAVSource(self.play), "--play")  # type: ignore[arg-type]
        if self.record is not None:
            check(lambda: WAVRecorder(self.record), "--record")  # type: ignore[arg-type]
            if self.record.exists() and not os.access(self.record, os.W_OK):
                raise typer.BadParameter(f"{self.record} cannot be written.", param_hint="--record")
        options = {"codecs": tuple(self.codec or ()), "play": self.play, "record": self.record}
        return {name: value for name, value in options.items() if value}

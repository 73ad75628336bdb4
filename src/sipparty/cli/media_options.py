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
    microphone: Annotated[
        bool, typer.Option("--microphone", "--mic", help="Speak by the microphone (extra sound).")
    ] = False
    loudspeaker: Annotated[
        bool, typer.Option("--loudspeaker", help="Hear by the loudspeaker (extra sound).")
    ] = False
    codec: Annotated[
        list[str] | None,
        typer.Option(help="Codec, such as PCMU; again for a second choice.", metavar="NAME"),
    ] = None

    def resolve(self) -> dict[str, Any]:
        """Return the options of a call's media session, checked.

        Raises:
            BadParameter: A file or a codec cannot be used.
        """
        if self.microphone and self.play is not None:
            raise typer.BadParameter("--play and --microphone exclude each other; choose one.")
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

    def with_devices(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a call with the devices that are wanted, opened for it.

        Args:
            options: Those of its media session, such as `record`.

        Raises:
            MediaError: A device cannot be used.
        """
        from sipparty.cli.devices import Loudspeaker, Microphone

        options = dict(options)
        if self.microphone:
            options["play"] = Microphone()
        if self.loudspeaker:
            kept = options.get("record", [])
            options["record"] = [Loudspeaker(), *(kept if isinstance(kept, list) else [kept])]
        return options

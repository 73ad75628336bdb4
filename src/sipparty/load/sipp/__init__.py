"""SIPp's scenario files, played without SIPp.

    scenario = SIPpScenario("uac.xml", service="bob")       a scenario for `sipparty.load`

    async with Player(engine, read_program("uas.xml")) as player:
        statistics = await player.play(calls=10)            one by itself

`read_program` reads a file; `ScenarioError` says what of it cannot be taken, at which line, and
what to write instead. `Options` are those of SIPp's command line that say how it is played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.load.sipp.document import ScenarioError
    from sipparty.load.sipp.model import Program
    from sipparty.load.sipp.options import Options
    from sipparty.load.sipp.player import Player
    from sipparty.load.sipp.reader import read_program
    from sipparty.load.sipp.scenario import SIPpScenario
    from sipparty.load.sipp.statistics import ScenarioStatistics

__all__ = [
    "Options",
    "Player",
    "Program",
    "SIPpScenario",
    "ScenarioError",
    "ScenarioStatistics",
    "read_program",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "document model options player reader scenario statistics")

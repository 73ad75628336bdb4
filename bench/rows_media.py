"""Two-way audio endpoints over RTP: what one takes, and what becomes late or lost where there are
many.
"""

from __future__ import annotations

import functools
import math
import struct
import tempfile
import wave
from pathlib import Path
from statistics import median
from typing import Any

import setup
from libraries import LIBRARIES, OURS
from plan import Plan
from processes import Child, Failed, cores, cpu_clock
from report import Column, Row, Table

__all__ = ["endpoints", "media"]

_SERVERS = Path(__file__).resolve().parent / "servers"
_PEER = f"aiortp {setup.PEERS['aiortp']}"
_OWN = next(library.python for library in LIBRARIES if library.name == OURS)

#: How the far ends number their packets of Opus.
_OPUS = ("--ticks", "960", "--payload-type", "96")

#: What each side has counted of what it heard.
_COUNTED = ("heard", "lost", "late", "concealed")

_TIMES = (
    Column("error_ms_p99", "sending error p99, ms", ".2f"),
    Column("stall_ms_p99", "signalling stall p99, ms", ".2f"),
    Column("unsent", "frames not sent, or 20 ms late"),
    Column("unheard", "frames lost, late or concealed"),
)


def endpoints(
    library: str, count: int, seconds: float, *more: str, load: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run endpoints of a library for some time, and say what was measured.

    Args:
        library: Which.
        count: How many, in one process on one core.
        seconds: How long.
        more: Further arguments of its program.
        load: Further arguments of the far ends' program.
    """
    here, other = cores()
    python = _OWN if library == OURS else setup.PYTHON
    codec = more[more.index("--codec") + 1] if "--codec" in more else "PCMU"
    far = [str(_OWN), str(_SERVERS / "media_load.py"), *load, *_sound(codec)]
    with Child([*far, "--streams", str(count), "--seconds", str(seconds)], other) as peer:
        ports = peer.line(20).removeprefix("ready ")
        program = [str(python), str(_SERVERS / f"{library}_media.py"), "--ports", ports, *more]
        with Child(program, here) as child:
            child.ready()
            peer.json(60)
            before = child.report()
            peer.json(20)
            began = cpu_clock(child.pid)
            peer.json(seconds + 20)
            cpu = cpu_clock(child.pid) - began
            after = child.report()
            far_measured = peer.json(60)
    counted = {name: after[name] - before[name] for name in _COUNTED}
    return {
        **far_measured,
        "cpu": cpu / seconds / count,
        "stall_ms_p99": after["stall_ms_p99"],
        "session_kb": after.get("session_kb"),
        "unsent": far_measured["missing"] + far_measured["late"],
        "unheard": counted["lost"] + counted["concealed"],
    }


def _middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number; of what was lost, the sum."""
    row = {name: median(each[name] for each in rounds) for name in ("cpu", *_keys())}
    return {**row, **{name: sum(each[name] for each in rounds) for name in ("unsent", "unheard")}}


def _keys() -> list[str]:
    return [column.key for column in _TIMES if "_ms_" in column.key]


def _beside(plan: Plan) -> Table:
    """Beside the peer, in turns."""
    count = plan.media_endpoints[0]
    cases: dict[str, tuple[str, ...]] = {
        OURS: (),
        f"{_PEER}, the application gives all their frames at once": ("--burst",),
        f"{_PEER}, paced sending": (),
    }
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(plan.media_rounds):
        for name, more in cases.items():
            library = OURS if name == OURS else "aiortp"
            rounds[name].append(endpoints(library, count, plan.media_seconds, *more))
    rows: list[Row] = []
    for name, measured in rounds.items():
        title = {} if name == OURS else {"title": name}
        rows.append({"library": OURS if name == OURS else "aiortp", **title, **_middle(measured)})
    mine = rows[0]["cpu"]
    for row in rows:
        row["share"] = mine / row["cpu"]
    return Table(
        f"Two-way audio: {count} endpoints",
        f"{count} endpoints in one process on one core, each of PCMU in frames of 20 ms both ways,"
        " with jitter buffer and playout, fed with audio that is in memory; what is heard is"
        f" counted. In turns; the medians of {plan.media_rounds} of {plan.media_seconds:g} s, and"
        " the sums of what was lost. The sending error is that of a packet against its stream's own"
        " 20 ms, by the kernel's clock; the signalling stall is how long a datagram lay on another"
        " socket of the same loop.",
        [
            Column("cpu", "of a core each", ".3%", ratio=True),
            Column("share", "sipparty ÷ this", ".2f"),
            *_TIMES,
        ],
        rows,
    )


def _wav(folder: Path) -> str:
    """A WAV file of 20 s of a tone at 8000 samples a second."""
    path = folder / "played.wav"
    samples = [round(8000 * math.sin(n * 2 * math.pi * 440 / 8000)) for n in range(8000)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        for _ in range(20):
            file.writeframes(struct.pack("<8000h", *samples))
    return str(path)


@functools.cache
def _sound(codec: str) -> tuple[str, ...]:
    """What has the far ends send a voice-like sound: what adapts the delay looks at the sound."""
    with Child([str(_OWN), str(_SERVERS / "media_payloads.py"), codec]) as child:
        payloads = child.line(30)
    return ("--payloads", payloads)


def _alone(plan: Plan) -> Table:
    """More of them, and with files."""
    missing: list[str] = []
    rows: list[Row] = []

    def measure(title: str, count: int, *more: str, load: tuple[str, ...] = ()) -> None:
        try:
            measured = endpoints(OURS, count, plan.media_seconds, *more, load=load)
        except Failed as failure:
            missing.append(f"{title}: {failure}")
            return
        row = {"library": OURS, "title": title, "count": count, **measured}
        rows.append({**row, "per_core": 1 / measured["cpu"]})

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wav = _wav(folder)
        for count in plan.media_endpoints:
            measure("PCMU, from memory", count)
        middle = plan.media_endpoints[1]
        measure("PCMU, nothing played or recorded", middle, "--idle")
        measure("PCMU, a WAV file played and one recorded", middle, "--play", wav, "--record", name)
        measure("PCMU, one source takes 200 ms a read", plan.media_endpoints[0], "--slow")
        measure("PCMU, media on a thread of its own", middle, "--threads", "1")
        measure("Opus", plan.opus_endpoints, "--codec", "OPUS", load=_OPUS)
    return Table(
        "Two-way audio: many endpoints",
        "As above, of sipparty alone. What a session keeps is the growth of the process, its"
        " sockets, buffers and files included.",
        [
            Column("count", "endpoints"),
            Column("cpu", "of a core each", ".3%"),
            Column("per_core", "endpoints a core"),
            *_TIMES[:1],
            Column("error_ms_max", "most, ms", ".1f"),
            *_TIMES[1:],
            Column("session_kb", "kB a session", ".1f"),
        ],
        rows,
        missing,
    )


def media(plan: Plan) -> list[Table]:
    """Beside the peer, and alone."""
    return [_beside(plan), _alone(plan)]

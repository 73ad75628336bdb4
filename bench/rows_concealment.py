"""How speech sounds over a network that loses packets, by PESQ, in virtual time."""

from __future__ import annotations

from statistics import mean
from time import perf_counter

from libraries import OURS
from lossy_speech import CONCEALMENTS, missing, score, speech, through
from plan import Plan
from report import Column, Row, Table

__all__ = ["concealment"]

_JITTER = 0.04
_LOSSES = (0.0, 0.05, 0.1)
_SEEDS = 5


def concealment(plan: Plan) -> Table:
    """PESQ of what is heard, for each way to fill a loss."""
    absent = missing()
    rows: list[Row] = []
    seeds = range(2 if plan.name == "quick" else _SEEDS)
    for title, kind in CONCEALMENTS.items() if absent is None else ():
        row: Row = {"library": OURS, "title": title}
        for loss in _LOSSES:
            began = perf_counter()
            heard = [through(speech(), loss, _JITTER, seed, kind) for seed in seeds]
            took = perf_counter() - began
            row[f"loss{loss}"] = mean(score(speech(), audio) for audio, _ in heard)
        row["frame"] = took / sum(len(audio) // 320 for audio, _ in heard) * 1e6
        rows.append(row)
    return Table(
        "Losses",
        "PESQ (MOS-LQO, narrow band) of 28 s of speech, by espeak-ng, through PCMU, a network that"
        f" delays each packet by 0 to {_JITTER * 1000:.0f} ms and loses some by chance, and the"
        f" playout buffer; the mean of {len(seeds)} runs. The reference is the same speech through"
        " PCMU without a loss. The last column is the time of a frame where 10% are lost: encoding,"
        " putting, playing, concealing.",
        [
            *(Column(f"loss{loss}", f"PESQ, {loss:.0%} lost", ".2f") for loss in _LOSSES),
            Column("frame", "µs a frame", ".1f"),
        ],
        rows,
        [f"needs {absent}, which is not installed"] if absent else [],
    )

"""Fuzzing of one parser, led by what its code does: libFuzzer through `atheris`.

    python fuzz/guided.py message                         until a finding, or Ctrl-C
    python fuzz/guided.py sdp -max_total_time=600 -rss_limit_mb=512
    python fuzz/guided.py uri FOLDER                      inputs that reach new code are kept there

What follows the name goes to libFuzzer, and the seeds are given to it. Without `atheris` (pip
install atheris; CPython on Linux) the inputs are mutated blindly, as by `fuzz.run`, and
`-runs=N` says how many.

Laws: a refusal that is documented is no finding, everything else is, by the rules of
`fuzz.targets`. The input of a finding is written to `fuzz/findings`.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent

if not __package__:  # run as a file
    sys.path[0] = str(ROOT)

BUILD = ROOT / "build" / "fuzz"
FINDINGS = ROOT / "fuzz" / "findings"

#: What is measured: the rooms that read.
_ROOMS = ["sipparty.sip", "sipparty.sdp", "sipparty.media", "sipparty.parse", "sipparty.deepclass"]


def _atheris() -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def _test_one(probe: Callable[[bytes], bool]) -> Callable[[bytes], None]:
    def test_one(data: bytes) -> None:
        probe(data)

    return test_one


def _guided(atheris: Any, name: str, arguments: list[str]) -> None:
    with atheris.instrument_imports(include=_ROOMS, enable_loader_override=False):
        targets = importlib.import_module("fuzz.targets")
    target = targets.TARGETS[name]
    # libFuzzer ends the process itself, so what is made for it stays: in a folder that is not kept.
    folder = BUILD / name
    seeds = folder / "seeds"
    shutil.rmtree(folder, ignore_errors=True)
    seeds.mkdir(parents=True)
    for at, data in enumerate(target.seeds()):
        (seeds / f"{at:05}").write_bytes(data)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    FINDINGS.mkdir(exist_ok=True)
    options = [f"-dict={words}", f"-max_len={target.max_size}", "-timeout=10"]
    options += [f"-artifact_prefix={FINDINGS}/{name}-"]
    flags = [one for one in arguments if one.startswith("-")]
    # libFuzzer keeps what it finds in the first folder that it is given.
    folders = [one for one in arguments if not one.startswith("-")]
    folders = folders or [str(folder / "kept")]
    Path(folders[0]).mkdir(parents=True, exist_ok=True)
    command = [sys.argv[0], *options, *flags, *folders, str(seeds)]
    atheris.Setup(command, _test_one(target.probe))
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(
        chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\x{octet:02X}"
        for octet in word
    )


def _blind(name: str, arguments: list[str]) -> int:
    run = importlib.import_module("fuzz.run")
    runs = [one.removeprefix("-runs=") for one in arguments if one.startswith("-runs=")]
    sys.stderr.write("atheris is not installed: mutating blindly\n")
    count = runs[-1] if runs else "1000000"
    status: int = run.main(["--only", name, "--processes", "1", "-n", count])
    return status


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the parser that the command line names, and return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0].startswith("-"):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    name, *rest = given
    atheris = _atheris()
    if atheris is None:
        return _blind(name, rest)
    _guided(atheris, name, rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())

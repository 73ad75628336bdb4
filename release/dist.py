"""Make a release: a source distribution, the wheel that it gives, and their bill of materials.

    python release/dist.py [folder]             dist by default

1. The same sources give the same bytes: everything is built twice and compared. Files have the time
   of `SOURCE_DATE_EPOCH`, by default that of the last commit.
2. The wheel is built from the source distribution, so that one is complete.
3. What is missing, or too much, in the wheel is an error (`DistError`); then nothing is written.
4. Nothing is fetched: what builds is what `make setup` has installed.

| file | what it is |
| --- | --- |
| `sipparty-VERSION.tar.gz` | the sources with tests and documentation |
| `sipparty-VERSION-py3-none-any.whl` | what `pip install` takes |
| `sipparty-VERSION.cdx.json` | both with their SHA-256, and all that they need (CycloneDX 1.6) |
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import sbom
from build import ProjectBuilder
from pyproject_hooks import quiet_subprocess_runner

__all__ = ["DistError", "build", "check", "main", "missing"]

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

#: What a wheel has beside its modules, under `*.dist-info`.
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


#: The time of files where the sources are no clone: 2020-02-02, as hatchling has it.
NO_COMMIT = "1580601600"


class DistError(Exception):
    """What was built is not what is to be released; the message says why."""


def epoch() -> str:
    """Return the time that all files get: seconds since the epoch, as text."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or NO_COMMIT


def build(folder: Path, source: Path = ROOT) -> tuple[Path, Path]:
    """Build the source distribution, and from that the wheel.

    Args:
        folder: Where to; it must exist.
        source: The sources.

    Returns:
        The paths of both.
    """
    os.environ["SOURCE_DATE_EPOCH"] = epoch()
    made = ProjectBuilder(source, runner=quiet_subprocess_runner).build("sdist", folder)
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(made) as archive:
            archive.extractall(unpacked, filter="data")
        (inside,) = Path(unpacked).iterdir()
        wheel = ProjectBuilder(inside, runner=quiet_subprocess_runner).build("wheel", folder)
    return Path(made), Path(wheel)


def missing(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the files of a wheel: a sentence for each."""
    found = set(names)
    package = {name for name in found if name.startswith("sipparty/")}
    rest = {name.partition(".dist-info/")[2] or name for name in found - package}
    wanted = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "sipparty").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    problems = [f"{name} is missing." for name in sorted(wanted - package)]
    problems += [f"{name} is missing." for name in sorted(METADATA - rest)]
    problems += [f"{name} is no file of the package." for name in sorted(package - wanted)]
    problems += [f"{name} is no metadata." for name in sorted(rest - METADATA)]
    if "sipparty/py.typed" not in found:
        problems.append("Without sipparty/py.typed no type checker reads the annotations.")
    return problems


def check(first: Iterable[Path], second: Iterable[Path]) -> None:
    """See that two builds have the same bytes and that the wheel has what it should.

    Raises:
        DistError: They do not.
    """
    for one, other in zip(first, second, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise DistError(f"{one.name} differs from one build to the next.")
        if one.suffix == ".whl":
            with zipfile.ZipFile(one) as archive:
                problems = missing(archive.namelist())
            if problems:
                raise DistError(f"{one.name}: {' '.join(problems)}")


def main() -> None:
    """Build, check, and write into the folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"
    # Not in the folder, where the next source distribution could take it for a source.
    with tempfile.TemporaryDirectory() as place:
        turns = []
        for turn in ("first", "second"):
            (Path(place) / turn).mkdir()
            turns.append(build(Path(place) / turn))
        try:
            check(*turns)
            made = (*turns[0], sbom.write(*turns[0]))
        except (DistError, ValueError) as error:
            sys.exit(str(error))
        folder.mkdir(parents=True, exist_ok=True)
        for path in made:
            shutil.copyfile(path, folder / f".{path.name}")
            (folder / f".{path.name}").rename(folder / path.name)
            sys.stdout.write(f"{folder / path.name}\n")


if __name__ == "__main__":
    main()

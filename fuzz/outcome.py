"""What fuzzing finds, and what it came to: for every kind of it."""

from __future__ import annotations

import hashlib
import os
import traceback
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["FINDINGS", "Finding", "Outcome", "place_of", "resident"]

FINDINGS = Path(__file__).resolve().parent / "findings"


def place_of(error: BaseException) -> str:
    """Say where an exception was raised: what two findings of one defect have in common."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {type(error).__name__}"


@dataclass(frozen=True)
class Finding:
    """A defect, and the input that shows it.

    Args:
        target: The parser's name.
        what: The defect in one line.
        place: Where it was raised; what two findings of one defect have in common.
        data: The input.
        details: The traceback, or "".
    """

    target: str
    what: str
    place: str
    data: bytes
    details: str = ""

    def write(self, folder: Path) -> Path:
        """Write the input, and the traceback beside it; return the path of the input."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}-{hashlib.sha256(self.data).hexdigest()[:10]}.bin"
        path.write_bytes(self.data)
        path.with_suffix(".txt").write_text(f"{self.what}\n{self.place}\n\n{self.details}")
        return path


@dataclass
class Outcome:
    """What came of inputs.

    Args:
        inputs: How many there were.
        read: How many of them were read.
        seconds: The time it took.
        slowest: The longest time of one, in seconds, and that one's size.
        findings: By place.
        memory: Resident bytes of each process after each chunk it did, in order.
    """

    inputs: int = 0
    read: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    findings: dict[str, Finding] = field(default_factory=dict)
    memory: dict[int, list[int]] = field(default_factory=dict)

    def take(self, other: Outcome) -> None:
        """Add what came of others."""
        self.inputs += other.inputs
        self.read += other.read
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        for place, finding in other.findings.items():
            self.findings.setdefault(place, finding)
        for process, sizes in other.memory.items():
            self.memory.setdefault(process, []).extend(sizes)

    @property
    def growth(self) -> int:
        """The most bytes that a process grew by in the second half of its chunks: by then caches
        and allocators have what they want, and only a leak goes on.
        """
        warm = (sizes[len(sizes) // 2 :] for sizes in self.memory.values() if len(sizes) > 2)
        return max((sizes[-1] - sizes[0] for sizes in warm), default=0)


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

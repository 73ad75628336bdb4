"""Files that are whole, or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "write_whole"]


@contextmanager
def replacing(path: Path) -> Generator[Path, None, None]:
    """Give the name of a new file beside a path, which takes its place at the end of the block; one
    that raises leaves what was there.

    Raises:
        OSError: The file cannot be made, or moved.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:  # about the file that is meant, not the one beside it
        raise OSError(error.errno, error.strerror, str(path)) from None
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)  # as `open` makes them
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Write a text file, as UTF-8; nobody finds half of it. What UTF-8 cannot write is escaped.

    Raises:
        OSError: The file cannot be made, or moved.
    """
    with replacing(path) as beside:
        beside.write_bytes(text.encode("utf-8", "backslashreplace"))

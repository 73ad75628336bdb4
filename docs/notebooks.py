"""Execute the notebooks of the tutorial and keep what comes out, for readers who do not run them.

    python docs/notebooks.py [folder [name ...]]    in place, and all, by default

Needs nbclient, ipykernel and matplotlib. The tests do it too, and fail where a notebook shows
something else than what comes out; then it is time to run this. A cell whose output differs from
run to run (ports, tags), or from machine to machine (pictures), has the tag `varies`; it keeps what
came out last.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOKS", "execute", "main", "varies"]

NOTEBOOKS = sorted((Path(__file__).parent / "tutorial").glob("*.ipynb"))

#: Seconds that one cell may take.
TIMEOUT = 30

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path) -> Any:
    """Return a notebook as it is after a run in a fresh kernel.

    Raises:
        CellExecutionError: A cell raised.
    """
    # As an installation that is older than the plugin's entry point does not name it.
    os.environ.setdefault("PYTEST_PLUGINS", "sipparty.testing.plugin")
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", record_timing=False)
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    # Not what Python it was: that would change with every reader's.
    notebook.metadata = nbformat.from_dict(_METADATA)  # type: ignore[no-untyped-call]
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """Join the pieces of a stream, which come as they were flushed."""
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def varies(cell: Any) -> bool:
    """Whether what a cell shows differs from run to run."""
    return "varies" in cell.metadata.get("tags", ())


def main() -> None:
    """Execute every notebook, or those that are named, and write it."""
    # The fonts are listed once for a user, which takes long, and in a notebook gives a warning.
    import matplotlib.font_manager  # noqa: F401

    named = sys.argv[2:]
    for path in [one for one in NOTEBOOKS if not named or one.stem in named]:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else path.parent
        nbformat.write(execute(path), folder / path.name)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()

"""The how-to's examples run, in order, as a reader would type them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "state-machines.md"


def test_examples_run() -> None:
    text = HOWTO.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) > 5
    namespace: dict[str, Any] = {"__name__": "howto"}
    for block in blocks:
        # Blank lines first, so that an error names the line of the page.
        lines = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(lines + block[1], str(HOWTO), "exec"), namespace)

"""The how-to's examples run, in order, as a reader would type them."""

import re
from pathlib import Path

from sipparty.media import codecs

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "audio.md"


def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(codecs, "_types", dict(codecs._types))
    text = HOWTO.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(blocks) > 4
    namespace = {"__name__": "howto"}
    try:
        for block in blocks:
            # Blank lines first, so that an error names the line of the page.
            lines = "\n" * text.count("\n", 0, block.start(1))
            exec(compile(lines + block[1], str(HOWTO), "exec"), namespace)
    finally:
        for name in ("alice", "bob"):
            if name in namespace:
                namespace[name].close()

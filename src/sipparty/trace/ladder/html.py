"""A ladder as one HTML page: messages can be read, searched and filtered, in any browser.

Laws:

1. The page is one file that asks for nothing else: its style, its script and its data are in it.
2. What came from the wire is data, never markup: it is JSON in which no tag can begin, and the
   script writes it as text. The page's own policy (Content Security Policy) lets no other script
   run, and no address be asked.
3. Ten thousand messages are read in seconds and scroll smoothly: rows outside the window are not
   there.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from sipparty.trace.ladder.layout import Layout
from sipparty.trace.ladder.page_data import page_data
from sipparty.trace.text import one_line

__all__ = ["html"]

_FOLDER: Final = Path(__file__).parent / "page"
_SCRIPTS: Final = ("ladder.js", "reader.js", "page.js")


def html(
    layout: Layout, *, title: str = "Call ladder", masked: bool = True, remark: str = ""
) -> str:
    """Draw as one HTML page.

    Args:
        layout: What to draw.
        title: The page's title.
        masked: Whether secrets in the messages are shown as ``***``.
        remark: What its reader is to know of the records.
    """
    script = "\n".join([(_FOLDER / name).read_text("utf-8") for name in _SCRIPTS])
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "title": escape(one_line(title, 200)),
        "remark": escape(one_line(remark, 500)),
        "policy": escape(policy),
        "style": (_FOLDER / "page.css").read_text("utf-8"),
        "data": _inert(page_data(layout, masked=masked)),
        "script": script,
    }
    # The parts are put in between the pieces of the frame: none of them is searched for marks.
    pieces = (_FOLDER / "page.html").read_text("utf-8").split("%%")
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)


def _inert(data: object) -> str:
    """JSON in which no tag, comment or entity can begin."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text

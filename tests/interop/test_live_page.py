"""The live page in Chromium: a call is seen as it is made, and what is hostile is text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sipparty.live import serve_page
from sipparty.parties import AudioParty
from sipparty.trace.jsonl import as_json

from ..unit.live.records import CALL, request, response, step
from .chromium import Chromium
from .devtools import DevTools

HOSTILE = "<sip:\"</script><img src=x onerror=window.broken=1>\u202e\x1b[31m'@atlanta.com>"


def cells(row: int) -> str:
    return f"[...document.querySelectorAll('#calls tr')[{row}].cells].map((one) => one.innerText)"


def test_a_call_is_seen_as_it_is_made(chromium: Chromium) -> None:
    alice, bob = AudioParty("alice@127.0.0.1"), AudioParty("bob@127.0.0.1")
    with (
        alice,
        bob,
        serve_page(alice, interval=0.05) as page,
        DevTools(chromium, page.url) as shown,
    ):
        bob.listen(port=None, address="127.0.0.1")
        shown.wait_for("document.querySelector('#status').innerText == 'live'")
        assert shown.evaluate("document.querySelector('#none').innerText") == "No calls yet."
        call = alice.invite(bob).wait(10)
        shown.wait_for("!!document.querySelector('#calls .answered')")
        assert shown.evaluate(cells(0))[1:3] == ["alice@127.0.0.1", "bob@127.0.0.1"]
        details = "document.querySelector('#details').textContent"
        shown.wait_for(f"{details}.includes('200 OK')")
        shown.wait_for(f"{details}.includes('AudioCall')")
        shown.wait_for(f"{details}.includes('Quality')")
        call.terminate().wait(10)
        shown.wait_for("!!document.querySelector('#calls .ended')")
        shown.evaluate("document.querySelector('#over').click()")
        assert shown.evaluate("document.querySelectorAll('#calls tr').length") == 0


def test_keys_choose_and_what_is_hostile_is_text(chromium: Chromium, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    hostile = [request(caller=HOSTILE, call="</script>"), response(486, HOSTILE, call="</script>")]
    hostile.append(step("<script>", HOSTILE, "</svg>", call="</script>"))
    path.write_text("".join(f"{as_json(one)}\n" for one in (*CALL, *hostile)))
    with serve_page(path, interval=0.05) as page, DevTools(chromium, page.url) as shown:
        shown.wait_for("document.querySelectorAll('#details svg').length > 1")
        assert "</script><img src=x" in shown.evaluate(cells(0))[0]
        assert shown.evaluate("[typeof window.broken, document.images.length]") == ["undefined", 0]
        shown.press("ArrowDown")
        shown.wait_for("document.querySelector('#details').innerText.includes('180 Ringing')")
        chosen = "document.querySelector('tr[aria-selected=true]').dataset.id"
        assert shown.evaluate(chosen) == "call-1"
        for width in (1400, 390):
            shown.look(tmp_path / "page.png", width, 900, dark=width > 1000)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert shown.evaluate(wide) == 0


def test_without_its_token_there_is_a_sentence(chromium: Chromium, tmp_path: Path) -> None:
    path: Any = tmp_path / "trace.jsonl"
    path.touch()
    with serve_page(path) as page, DevTools(chromium, page.url.partition("?")[0]) as shown:
        shown.wait_for("document.body.innerText.startsWith('This page needs its token')")

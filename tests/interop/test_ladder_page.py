"""The page of a ladder in Chromium: read, searched, filtered, and nothing hostile comes alive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.trace.ladder.records import ALICE, BOB, CALL, NAMES, OTHERS, request, response, sent

from sipparty.trace import Ladder, NoteRecord, StateRecord, WireRecord
from sipparty.trace.records import TraceRecord

from .chromium import Chromium
from .devtools import DevTools

SHOWN = "[...document.querySelectorAll('.row')]"
READER = "document.querySelector('#reader').innerText"
COUNTS = "document.querySelector('#counts').innerText"


@contextmanager
def shown(
    chromium: Chromium, folder: Path, records: Iterable[TraceRecord], **options: str
) -> Iterator[DevTools]:
    """The page of records, drawn."""
    path = folder / "ladder.html"
    path.write_text(Ladder(records, names=NAMES).html(**options), "utf-8")
    with DevTools(chromium, path.as_uri()) as page:
        page.wait_for("document.documentElement.dataset.ready")
        yield page


def test_a_message_is_read(chromium: Chromium, tmp_path: Path) -> None:
    with shown(chromium, tmp_path, [*CALL, *OTHERS], remark="Cut short.") as page:
        assert page.evaluate(f"{SHOWN}.length") == len(CALL) + len(OTHERS)
        assert page.evaluate("document.querySelector('#remark').innerText") == "Cut short."
        page.evaluate(f"{SHOWN}[0].click()")
        read = page.evaluate(READER)
        assert "alice (10.0.0.1:5060) → bob (10.0.0.2:5060) · UDP" in read
        assert "INVITE starts a call, or changes one" in read
        assert "CSeq: 1 INVITE" in read
        assert "RFC 3261 §20.16" in read
        assert "The version of SDP." in read
        page.press("j")
        assert "180 Ringing" in page.evaluate(READER)
        assert page.evaluate("location.hash") == "#2"
        page.press("End")
        assert "249" in page.evaluate(READER)
        page.press("Home")
        state = f"{SHOWN}.find((row) => row.textContent.includes('timer go'))"
        page.wait_for(f"{state} !== undefined")
        page.evaluate(f"{state}.click()")
        assert page.evaluate("document.querySelector('#reader svg').textContent.includes('go')")
        page.press("Escape")
        assert page.evaluate("document.querySelector('#reader').hidden")


def test_rows_are_searched_and_filtered(chromium: Chromium, tmp_path: Path) -> None:
    calls = [
        sent(1, request(call="one")),
        sent(2, request(call="two")),
        sent(3, response(486, "Busy Here", call="two"), BOB, ALICE),
        sent(4, request("BYE", call="one")),
        NoteRecord(5, "one", "a remark"),
    ]
    labels = f"{SHOWN}.map((row) => row.querySelector('b').lastChild.data)"
    with shown(chromium, tmp_path, calls) as page:
        page.press("/")
        page.send("Input.insertText", text="BUSY")
        page.wait_for(f"{COUNTS} == '1 of 5 rows'")
        page.press("Enter")
        assert page.evaluate("document.querySelector('#reader mark').innerText") == "Busy"
        page.press("Escape")
        page.press("Escape")
        assert page.evaluate(COUNTS) == "5 rows, 2 calls"
        page.evaluate("document.querySelectorAll('#filter button')[0].click()")
        assert page.evaluate(labels) == ["BYE", "a remark"]
        page.press("Escape")
        page.press("]")
        page.press("]")
        assert page.evaluate(labels) == ["INVITE", "486 Busy Here"]
        page.press("[")
        assert page.evaluate(labels) == ["INVITE", "BYE", "a remark"]
        page.press("c")
        assert page.evaluate(f"{SHOWN}.length") == 5
        ground = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(ground)
        page.press("t")
        assert page.evaluate(ground) != before


def test_of_many_rows_those_in_the_window_are_there(chromium: Chromium, tmp_path: Path) -> None:
    # Few messages differ, so that they are soon explained.
    records = [sent(n / 10, request(cseq=n % 50, call=f"call-{n % 50}")) for n in range(9_999)]
    with shown(chromium, tmp_path, [*records, sent(1e6, request("BYE"))]) as page:
        assert page.evaluate(COUNTS) == "10,000 rows, 50 calls"
        page.press("End")
        assert page.evaluate("document.querySelector('.row.chosen b').lastChild.data") == "BYE"
        page.evaluate("document.querySelector('#ladder').scrollTop = 5000 * 38")
        page.wait_for("document.querySelector('#r5004').id")
        assert page.evaluate(f"{SHOWN}.length") < 100


def test_many_endpoints_share_columns(chromium: Chromium, tmp_path: Path) -> None:
    ends = [("10.0.0.9", port) for port in range(6000, 6040)]
    records = [sent(n, request(call=f"call-{n}"), end, BOB) for n, end in enumerate(ends)]
    names = "[...document.querySelectorAll('#heads span')].map((one) => one.innerText)"
    with shown(chromium, tmp_path, records) as page:
        assert page.evaluate(names) == ["10.0.0.9:6000", "bob"]
        born = "[...document.querySelectorAll('.born')].slice(0, 2).map((one) => one.innerText)"
        assert page.evaluate(born) == ["10.0.0.9:6001", "10.0.0.9:6002"]
        page.press("End")
        assert page.evaluate(names)[1] == "bob"
        page.press("c")
        page.wait_for(f"{COUNTS} == '1 of 40 rows'")
        assert page.evaluate(names) == ["bob", "10.0.0.9:6039"]


def test_what_is_hostile_stays_text(chromium: Chromium, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=window.broken=1><svg onload=window.broken=1>\x1b\u202e"
    data = request().replace(b"call-1", evil.encode()) + evil.encode()
    records: list[TraceRecord] = [
        WireRecord(1, "sent", evil, ALICE, (evil, 5060), data),
        sent(2, response(200, evil), BOB, ALICE),
        sent(3, evil.encode()),
        NoteRecord(4, evil, evil),
        StateRecord(5, evil, evil, evil, evil, evil, evil, False, ((evil, 1.0),), BOB),
    ]
    with shown(chromium, tmp_path, records, title=evil, remark=evil) as page:
        for number in range(len(records)):
            page.evaluate(f"document.querySelector('#r{number}').click()")
            assert "<img src=x" in page.evaluate(READER)
        assert page.evaluate("document.querySelectorAll('img, #ladder svg[onload]').length") == 0
        assert page.evaluate("document.title").startswith("</script><img")
        assert page.evaluate("window.broken === undefined")
        text = page.evaluate("document.documentElement.innerText")
        assert "\x1b" not in text
        assert "\u202e" not in text

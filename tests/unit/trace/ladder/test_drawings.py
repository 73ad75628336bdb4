"""Each kind of record in each drawing; colours; narrow terminals; a ladder per call."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from sipparty.trace import Ladder, NoteRecord, StateRecord

from .records import ALICE, BOB, CALL, NAMES, OTHERS, PROXY, request, response, sent

SVG = "{http://www.w3.org/2000/svg}"


def ladder(*records):
    return Ladder(records or [*CALL, *OTHERS], names=NAMES)


def test_every_kind_of_record_is_in_the_text():
    assert ladder().text(width=None).split("\n")[5:] == [
        "   1100.0 ms    |* Call7: A -> B (timer go, stop in 4 s)                    |",
        "   1200.0 ms    |* the menu asks                                            |",
        "   1300.0 ms    |------------------- DTMF 5 sent (100 ms) ----------------->|",
        "   1400.0 ms    |      MOS 4.2: 1.0% lost, jitter 3.0 ms, round trip 20 ms *|",
        "   2000.0 ms    |<==== RTP PCMU: 250 sent, 249 received, 1 lost, 5.0 s ====>|",
    ]


def test_a_state_is_on_the_column_of_its_call_where_its_end_is_not_known():
    state = OTHERS[0].replace(local=None)
    assert ladder(*CALL, state).layout().rows[-1].source == 0
    both = [*CALL, sent(102.0, request("BYE"), BOB, ALICE), state.replace(time=103.0)]
    assert ladder(*both).layout().rows[-1].source is None
    alone = ladder(StateRecord(1.0, "M", "M", "", "A", "go", "B"))
    assert "* M: A -> B (go)" in alone.text()
    assert ElementTree.fromstring(alone.svg()) is not None


def test_a_note_over_all_and_one_of_an_end():
    rows = (
        ladder(*CALL, NoteRecord(102, "call-1", "x"), NoteRecord(103, "", "y", BOB)).layout().rows
    )
    assert [(row.source, row.call, row.is_mark) for row in rows[-2:]] == [
        (None, 0, True),
        (1, None, True),
    ]


def test_marks_are_notes_in_mermaid():
    lines = ladder().mermaid().split("\n")[-5:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "Note over p0",
        "Note over p0,p1",
        "p0-->>p1",
        "Note over p1",
        "Note over p0,p1",
    ]


# ------------------------------------------------------------------- colours and narrow terminals

CALLS = [
    sent(0, request(call="one")),
    sent(1, request(call="two")),
    sent(2, response(486, "Busy Here", call="two"), BOB, ALICE),
    sent(3, response(401, "Unauthorized", call="one"), BOB, ALICE),
]


def test_each_call_has_a_colour_and_failures_are_red():
    plain, colored = ladder(*CALLS).text(), ladder(*CALLS).text(color=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain
    codes = [re.findall(r"\x1b\[(3\d)m", line) for line in colored.split("\n")[1:]]
    assert codes == [["36"], ["33"], ["31"], ["36"], ["36"], ["33"]]


@pytest.mark.parametrize("width", [20, 30, 39, 40])
@pytest.mark.parametrize("ends", [(ALICE, BOB), (ALICE, PROXY, BOB)])
def test_no_line_is_wider_than_a_narrow_terminal(width, ends):
    records = [sent(1.0, request(), ends[0], ends[1]), *CALL, *OTHERS]
    for unicode in (False, True):
        text = ladder(*records).text(width=width, unicode=unicode)
        assert max(map(len, text.split("\n"))) <= width
        assert text.count("INVITE") >= 2


def test_where_lifelines_have_no_space_ends_are_numbers():
    ends = [("10.0.0.1", port) for port in range(5060, 5070)]
    hops = itertools.pairwise(ends)
    records = [sent(n, request(), one, two) for n, (one, two) in enumerate(hops)]
    text = Ladder([*records, *OTHERS]).text(width=40)
    assert text.split("\n")[0] == "1 = 10.0.0.1:5060"
    assert "1>2 INVITE (CSeq 1)" in text
    assert "9>10 INVITE (CSeq 1)" in text
    assert "\n1 Call7: A -> B" in text
    assert max(map(len, text.split("\n"))) <= 40


def test_a_reason_that_is_cut_says_more_than_its_code():
    busy = sent(101.2, response(480, "Temporarily Unavailable"), BOB, ALICE)
    assert "480 Temporari.." in ladder(*CALL, busy).text(width=24)


def test_a_ladder_for_each_call():
    each = ladder(*CALLS, sent(9.0, b"\r\n\r\n")).each()
    assert [one.call_id for one in each] == ["one", "two"]
    assert [one.text().count("CSeq") for one in each] == [2, 2]
    assert "[" not in each[0].text()


# ------------------------------------------------------------------------------------------- SVG


def texts(svg):
    return [found.text for found in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_every_row_is_in_the_picture():
    drawn = texts(ladder().svg())
    assert drawn[:4] == ["alice", "bob", "0.0 ms", "INVITE (CSeq 1, SDP)"]
    for label in ("the menu asks", "DTMF 5 sent (100 ms)", "Call7: A -> B (timer go, stop in 4 s)"):
        assert label in drawn
    assert "MOS 4.2: 1.0% lost, jitter 3.0 ms, round trip 20 ms" in drawn


def test_the_picture_of_nothing():
    assert texts(Ladder().svg()) == [None, "(no messages)"]


def test_a_picture_of_many_rows_says_how_many_it_leaves_out():
    many = ladder(*[sent(n, request(cseq=n)) for n in range(10)])
    drawn = texts(many.svg(limit=4))
    assert sum("INVITE" in text for text in drawn) == 4
    assert "... and 6 more" in drawn
    assert "more" not in " ".join(texts(many.svg()))


def test_a_picture_of_many_columns_is_wider():
    ends = [("10.0.0.1", port) for port in range(5060, 5090)]
    hops = itertools.pairwise(ends)
    wide = Ladder([sent(n, request(), one, two) for n, (one, two) in enumerate(hops)]).svg()
    assert int(ElementTree.fromstring(wide).get("width")) > 3000
    assert texts(wide).count("INVITE") == 29


def test_a_scan_from_thousands_of_ports():
    from_ports = [sent(n, request(), ("10.0.0.9", n), BOB) for n in range(1, 4000)]
    assert int(ElementTree.fromstring(Ladder(from_ports).svg()).get("width")) > 400_000


def test_a_label_that_is_cut_is_whole_in_the_title():
    titles = ElementTree.fromstring(ladder().svg(width=34)).iter(f"{SVG}title")
    assert "RTP PCMU: 250 sent, 249 received, 1 lost, 5.0 s" in [found.text for found in titles]


def test_no_bytes_get_into_a_picture_as_markup():
    evil = '</text><script>alert("\x1b\u202e&")</script>'
    note = NoteRecord(102, "c", evil)
    svg = Ladder([sent(0, response(200, evil, call="c")), note], names={ALICE: evil}).svg()
    tags = {found.tag for found in ElementTree.fromstring(svg).iter()}
    assert tags == {
        f"{SVG}{name}" for name in ("svg", "style", "rect", "path", "text", "title", "g")
    }
    assert svg.replace("\n", "").isprintable()

"""The page as a file: what is in it, and that what came from the wire is data in it."""

import base64
import hashlib
import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.trace import Ladder, NoteRecord, StateRecord
from sipparty.trace.ladder.page_data import page_data

from .records import ALICE, BOB, CALL, NAMES, OTHERS, request, response, sent

SECRETS = (
    b"INVITE sip:bob:hunter2@biloxi.com SIP/2.0\r\nCall-ID: s\r\nCSeq: 1 INVITE\r\n"
    b'Authorization: Digest username="alice", realm="r", nonce="n", uri="sip:b", '
    b'response="7587245234b3434cc3412213e5f113a5"\r\n'
    b"Content-Type: application/sdp\r\n\r\n"
    b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
)


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(found[1])


def data(*records, **options):
    return page_data(Ladder(records or [*CALL, *OTHERS], names=NAMES).layout(), **options)


def lines(found, message=0):
    return [found["lines"][number] for number in found["messages"][message][5]]


def test_every_row_is_in_it():
    found = data()
    assert found["columns"] == ["alice", "bob"]
    assert [row[5:7] for row in found["rows"]] == [
        ["INVITE", "SDP · CSeq 1"],
        ["180 Ringing", "CSeq 1 INVITE"],
        ["200 OK", "CSeq 1 INVITE"],
        ["ACK", "CSeq 1"],
        ["Call7: A → B", "(timer go, stop in 4 s)"],
        ["the menu asks", ""],
        ["DTMF 5", "sent (100 ms)"],
        ["MOS 4.2", "1.0% lost · jitter 3.0 ms · round trip 20 ms"],
        ["RTP PCMU", "250 sent · 249 received · 1 lost · 5.0 s"],
    ]
    assert [row[0] for row in found["rows"][:3]] == [0.0, 1.0, 1000.0]
    assert found["calls"][0][:6] == ["call-1", "INVITE", "", "", "answered", "answered after 1.0 s"]


def test_a_row_says_what_has_failed_and_what_came_again():
    asked = request("OPTIONS", call="other")
    refused = response(486, "Busy Here", "OPTIONS", call="other")
    found = data(*CALL, sent(102.5, asked), sent(103.0, asked), sent(104.0, refused, BOB, ALICE))
    assert [row[7] for row in found["rows"][-3:]] == [0, 4, 2]
    assert [call[6] for call in found["calls"]] == [0.0, 2500.0]


def test_each_line_of_a_message_is_explained():
    found = data()
    text, meaning, _details, faults = lines(found)[1]
    assert text == "CSeq: 1 INVITE"
    assert found["meanings"][meaning][1] == "RFC 3261 §20.16"
    assert faults == []
    transport, source, destination, size, what, _, head, body = found["messages"][0]
    assert (transport, source, destination) == ("UDP", "10.0.0.1:5060", "10.0.0.2:5060")
    assert size == len(CALL[0].data)
    assert lines(found)[head][0] == "v=0"
    assert body == ""
    assert what.endswith("request")


def test_what_is_wrong_in_a_message_is_said():
    broken = request().replace(b"CSeq: 1 INVITE", b"CSeq: x INVITE")
    assert any(line[3] for line in lines(data(sent(0, broken))))


def test_a_message_sent_again_and_a_line_said_again_are_there_once():
    found = data(sent(0, request()), sent(1, request()), sent(2, request("BYE")))
    assert len(found["messages"]) == 2
    assert [row[7] >> 2 for row in found["rows"]] == [0, 1, 0]
    assert sum(line[0] == "Call-ID: call-1" for line in found["lines"]) == 1


def test_a_body_that_is_no_description_and_bytes_that_are_no_message_are_shown():
    message = (
        request("MESSAGE").replace(b"CSeq", b"Content-Type: text/plain\r\nCSeq") + b"Hi\x1b\r\nyou"
    )
    found = data(sent(0, message), sent(1, b"\x00\xff\r\nx"), sent(2, b"\r\n\r\n"))
    assert [one[7] for one in found["messages"]] == ["Hi\\x1b\nyou", "\\x00\\xff\nx", "\n"]
    assert found["messages"][1][5] == []


@pytest.mark.parametrize("masked", [True, False])
def test_secrets_are_masked_by_default(masked):
    found = Ladder([sent(0, SECRETS)]).html(**({} if masked else {"masked": False}))
    for secret in ("hunter2", "7587245234b3434c", "WVNfX19z"):
        assert (secret in found) is not masked
    # and the mask is not taken for a fault
    assert [line[3] for line in lines(data(sent(0, SECRETS)))] == [
        line[3] for line in lines(data(sent(0, SECRETS), masked=False))
    ]


def test_a_machine_of_many_steps_is_drawn_once():
    steps = [StateRecord(n, "Odd1", "Odd", "c", "A", "again", "A") for n in range(10_000)]
    assert len(data(*steps)["pictures"]) == 1


def test_a_machine_has_its_picture_and_machines_of_one_way_share_it():
    class Odd:  # no class of that name is known: the picture is of what was seen
        pass

    steps = [("A", "go", "B"), ("B", "stop", "A")]
    records = [
        StateRecord(n, f"Odd{m}", "Odd", f"call-{m}", *step, False, (), ALICE)
        for m in range(3)
        for n, step in enumerate(steps)
    ]
    found = data(*records)
    assert len(found["pictures"]) == 1
    assert found["pictures"][0].startswith("<svg")
    assert {picture for _, picture in found["things"]} == {0}
    assert ["input", "go"] in found["things"][0][0]


# ------------------------------------------------------------------------------ hostile bytes

EVIL = "</script><img src=x onerror=alert(1)><!--\x1b[2J\u202e\u2028&quot;%%data%%"


def test_what_came_from_the_wire_is_data():
    bytes_of = EVIL.encode()
    records = [
        sent(0, response(200, EVIL, call="c")),
        sent(1, request().replace(b"call-1", bytes_of)),
        sent(2, bytes_of),
        NoteRecord(3, "c", EVIL),
        StateRecord(4, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, False, ((EVIL, 1.0),), BOB),
    ]
    page = Ladder(records, names={ALICE: EVIL}).html(title=EVIL, remark=EVIL)
    # The pieces that the page is made of are ours, but for the title, the remark and the data.
    shown = html.escape(EVIL.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e"))
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert page.count(shown.replace("\u2028", "\\u2028")) == 3
    for char in "\x1b\u202e\u2028":
        assert char not in page
    assert data_of(page)["rows"][3][5].startswith("</script><img")


def test_no_other_script_may_run_and_nothing_may_be_asked_for():
    page = Ladder(CALL).html()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


@given(st.lists(st.binary(max_size=80) | st.sampled_from([SECRETS, CALL[0].data]), max_size=4))
def test_any_bytes_make_a_page_of_text(messages):
    page = Ladder([sent(n, one) for n, one in enumerate(messages)]).html()
    assert page.encode()
    found = json.dumps(data_of(page), ensure_ascii=False)
    assert found.isprintable()


def test_the_page_of_nothing():
    found = data_of(Ladder().html())
    assert (found["rows"], found["calls"], found["columns"]) == ([], [], [])

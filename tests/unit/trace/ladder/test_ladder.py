import html
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.trace import Ladder, MediaRecord, Summary, Wire, summarise

from .records import ALICE, BOB, CALL, NAMES, PROXY, received, request, response, sent


def test_a_call_is_drawn():
    assert Ladder(CALL, names=NAMES).text() == "\n".join(
        [
            "             alice                                bob",
            "      0.0 ms    |------- INVITE (CSeq 1, SDP) ----->|",
            "      1.0 ms    |<-- 180 Ringing (CSeq 1 INVITE) ---|",
            "   1000.0 ms    |<----- 200 OK (CSeq 1 INVITE) -----|",
            "   1000.5 ms    |----------- ACK (CSeq 1) --------->|",
        ]
    )


def test_unicode_is_on_request():
    ladder = Ladder(CALL, names=NAMES)
    assert ladder.text().isascii()
    assert str(ladder) == ladder.text()
    lines = ladder.text(unicode=True).split("\n")
    assert lines[1].endswith("    │─────── INVITE (CSeq 1, SDP) ─────▶│")
    assert lines[2].endswith("│◀── 180 Ringing (CSeq 1 INVITE) ───│")


def test_nothing_is_drawn_of_nothing():
    ladder = Ladder()
    assert ladder.text() == "(no messages)"
    assert ladder.mermaid() == "sequenceDiagram"
    assert ladder.calls == []


def test_addresses_stand_in_for_names():
    text = Ladder([sent(0, request(), ("::1", 5060), ("::2", 5062))]).text()
    assert text.split("\n")[0].split() == ["[::1]:5060", "[::2]:5062"]


def test_it_is_a_tap():
    wire = Wire(taps=())
    ladder = wire.add(Ladder(names=NAMES))
    wire.sent(request(), ALICE, BOB, "UDP", 1.0)
    assert len(ladder) == 1
    assert "INVITE (CSeq 1)" in ladder.text()


def test_records_are_drawn_in_order_of_time():
    assert Ladder(reversed(CALL), names=NAMES).text() == Ladder(CALL, names=NAMES).text()


def test_a_message_reported_by_both_ends_is_one_arrow():
    both = [sent(0.0, request()), received(0.01, request())]
    text = Ladder(both, names=NAMES).text()
    assert text.count("INVITE") == 1
    assert "retransmission" not in text
    assert "0.0 ms" in text


def test_a_wildcard_address_shares_the_column_of_the_real_one():
    records = [
        sent(0.0, request()),
        received(0.01, request(), ("0.0.0.0", 5060)),
        sent(0.02, response(), ("0.0.0.0", 5060), ALICE),
        received(0.03, response(), ALICE, BOB),
    ]
    text = Ladder(records).text()
    assert text.split("\n")[0].split() == ["10.0.0.1:5060", "10.0.0.2:5060"]
    assert len(text.split("\n")) == 3


def over(transport, time, source, destination, sent_by, method="INVITE"):
    via = b"CSeq", b"Via: SIP/2.0/TCP %s;branch=z9hG4bK1\r\nCSeq" % sent_by
    return sent(time, request(method).replace(*via), source, destination, transport)


@pytest.mark.parametrize(
    ("host", "alice", "bob"),
    [("10.0.0.1", b"10.0.0.1:5070", b"10.0.0.1"), ("::1", b"[::1]:5070", b"[::1] : 5060")],
)
def test_the_port_of_a_connection_is_in_the_column_of_who_opened_it(host, alice, bob):
    records = [
        over("TCP", 0, (host, 41000), (host, 5060), alice),
        over("TCP", 1, (host, 42000), (host, 5070), bob, "BYE"),
    ]
    assert len(Ladder(records).layout().columns) == 2
    media = MediaRecord(2, (host, 41000), (host, 5060), 1, 1)
    assert len(Ladder([*records, media]).layout().columns) == 2
    datagrams = [record.replace(transport="UDP") for record in records]
    assert len(Ladder(datagrams).layout().columns) == 4


@pytest.mark.parametrize(
    "sent_by", [b"proxy.example.com:5070", b"10.9.9.9:5070", b"10.0.0.1:x", b""]
)
def test_a_via_that_names_another_host_names_no_column(sent_by):
    ladder = Ladder([over("TCP", 0, ("10.0.0.1", 41000), BOB, sent_by)], names={BOB: "bob"})
    assert ladder.layout().columns == ["10.0.0.1:41000", "bob"]


def test_retransmissions_are_marked_and_counted():
    again = [sent(0.0, request()), sent(0.5, request()), sent(1.5, request())]
    lines = Ladder(again).text().split("\n")[1:]
    marks = [line.partition("[retransmission ")[2][:1] for line in lines]
    assert marks == ["", "1", "2"]


def test_retransmissions_that_got_through_are_marked_once():
    records = [sent(0.0, request()), sent(0.5, request()), received(0.51, request())]
    lines = Ladder(records).text().split("\n")[1:]
    assert [("retransmission" in line) for line in lines] == [False, True]


def test_several_calls_are_told_apart_and_filtered():
    records = [
        sent(0.0, request(call="one@host")),
        sent(1.0, request(call="two@host")),
        sent(2.0, request("BYE", 2, call="one@host")),
    ]
    ladder = Ladder(records, names=NAMES)
    assert ladder.calls == ["one@host", "two@host"]
    text = ladder.text()
    assert "[1] INVITE (CSeq 1)" in text
    assert "[2] INVITE (CSeq 1)" in text
    assert "[1] BYE (CSeq 2)" in text
    assert text.split("\n")[-2:] == ["[1] Call-ID: one@host", "[2] Call-ID: two@host"]
    one = ladder.only("one@host").text()
    assert "[" not in one
    assert one.count("INVITE") == 1
    assert "2000.0 ms" in one
    assert Ladder(records, names=NAMES, call_id="one@host").text() == one
    two = ladder.only("two@host").text()
    assert two.split("\n")[1].startswith("      0.0 ms")


def test_a_call_id_is_filtered_by_its_own_text():
    call = "a\\b\u202e"
    ladder = Ladder([sent(0, request(call=call)), sent(1, request(call="other"))])
    assert ladder.calls == [call, "other"]
    assert ladder.only(call).text().count("INVITE") == 1
    assert "[1] Call-ID: a\\\\b\\u202e" in ladder.text()


def test_three_columns():
    records = [
        sent(0, request(), ALICE, PROXY),
        sent(1, request(), PROXY, BOB),
        sent(2, response(), BOB, ALICE),
    ]
    lines = Ladder(records, names={**NAMES, PROXY: "proxy"}).text().split("\n")
    assert lines[0].split() == ["alice", "proxy", "bob"]
    left, right = lines[2].index("|"), len(lines[2]) - 1
    middle = lines[1].index(">|") + 1
    for line in lines[1:3]:
        assert [line[at] for at in (left, middle, right)] == ["|"] * 3
    assert lines[1][middle:].strip("| ") == ""
    assert lines[2][left:middle].strip("| ") == ""
    assert lines[2].endswith("->|")
    assert lines[3][left : left + 3] == "|<-"
    assert lines[3].endswith("-|")


def test_names_share_a_column():
    names = {ALICE: "alice", ("10.0.0.1", 5090): "alice", BOB: "bob"}
    records = [sent(0, request()), sent(1, request("BYE"), ("10.0.0.1", 5090))]
    assert Ladder(records, names=names).text().split("\n")[0].split() == ["alice", "bob"]


def test_a_message_to_itself():
    text = Ladder([sent(0, request(), ALICE, ALICE), sent(1, request())], names=NAMES).text()
    assert text.split("\n")[1].rstrip().startswith("      0.0 ms    |-) INVITE (CSeq 1)")


def test_what_is_no_message_is_drawn_too():
    records = [
        sent(0, b"\r\n\r\n"),
        sent(15, b"\r\n\r\n"),
        sent(16, b"\x1b[2Jgarbage\r\n"),
        sent(17, b"x" * 100),
    ]
    lines = Ladder(records).text().split("\n")[1:]
    assert "keep-alive" in lines[0]
    assert "keep-alive" in lines[1]
    assert "13 bytes: \\x1b[2Jgarbage\\r\\n" in lines[2]
    assert "100 bytes: xxx" in lines[3]
    assert lines[3].count("x") < 50


def test_media_is_a_double_arrow_in_the_columns_of_the_hosts():
    media = MediaRecord(
        102.0, ("10.0.0.1", 40000), ("10.0.0.2", 40002), 250, 249, 1, "PCMU", 5.0, "call-1"
    )
    lines = Ladder([*CALL, media], names={BOB: "bob"}).text().split("\n")
    assert lines[0].split() == ["10.0.0.1:5060", "bob"]
    assert "|<= RTP PCMU: 250 sent, 249 received, 1 lost, 5.0 s =" in lines[-1].replace("==", "=")
    assert lines[-1].endswith("=>|")


def test_media_of_one_direction():
    def end(**counts):
        return Ladder([CALL[0], MediaRecord(1e3, ALICE, BOB, **counts)]).text().split("\n")[-1]

    assert end(sent=5).endswith("=>|")
    assert "|==" in end(sent=5)
    assert "|<=" in end(received=5)
    assert end(received=5).endswith("==|")


def test_media_where_the_host_has_two_columns():
    alice, bob = ("127.0.0.1", 5060), ("127.0.0.1", 5062)
    invite = sent(0, request(), alice, bob)
    by_port = MediaRecord(1, ("127.0.0.1", 4000), ("127.0.0.1", 4002), 1, 1)
    header = Ladder([invite, by_port]).text().split("\n")[0]
    assert header.split() == [
        "127.0.0.1:5060",
        "127.0.0.1:5062",
        "127.0.0.1:4000",
        "127.0.0.1:4002",
    ]
    by_signalling = MediaRecord(1, alice, bob, 1, 1)
    header = Ladder([invite, by_signalling]).text().split("\n")[0]
    assert header.split() == ["127.0.0.1:5060", "127.0.0.1:5062"]


def test_the_latest_records_are_kept():
    ladder = Ladder(limit=2)
    for record in CALL:
        ladder(record)
    assert list(ladder) == CALL[2:]


def test_mermaid():
    media = MediaRecord(102.0, ALICE, BOB, 1, 1)
    assert Ladder([*CALL, media], names=NAMES).mermaid() == "\n".join(
        [
            "sequenceDiagram",
            "    participant p0 as alice",
            "    participant p1 as bob",
            "    p0->>p1: INVITE (CSeq 1, SDP)",
            "    p1-->>p0: 180 Ringing (CSeq 1 INVITE)",
            "    p1-->>p0: 200 OK (CSeq 1 INVITE)",
            "    p0->>p1: ACK (CSeq 1)",
            "    Note over p0,p1: RTP: 1 sent, 1 received",
        ]
    )


def test_mermaid_quotes_what_it_would_understand():
    text = Ladder([sent(0, response(200, 'a;b#c<d>"'))]).mermaid()
    assert text.split("\n")[-1] == ("    p0-->>p1: 200 a#59;b#35;c#lt;d#gt;#quot; (CSeq 1 INVITE)")


def test_html_is_escaped():
    shown = Ladder([sent(0, response(200, "<script>&"))])._repr_html_()
    assert "<script>" not in shown
    assert html.escape("<script>&") in shown
    assert shown.startswith("<svg")


def test_a_hostile_message_cannot_break_the_drawing():
    text = Ladder(
        [sent(0, response(200, "\x1b[2J\nforged\u202e" + "x" * 500, call="c\x1b"))]
    ).text()
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == 2
    assert max(map(len, text.split("\n"))) < 200


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (request(), Summary("INVITE", call_id="call-1", cseq="1")),
        (b"\r\n\r\n" + request(), Summary("INVITE", call_id="call-1", cseq="1")),
        (request(body=b"v=0\r\n"), Summary("INVITE", call_id="call-1", cseq="1", sdp=True)),
        (response(), Summary("INVITE", 200, "OK", "call-1", "1")),
        (b"SIP/2.0 486", Summary("", 486)),
        (b"SIP/2.0 200 OK\nCall-ID:\n x\n y\n\n", Summary("", 200, "OK", "x y")),
        (b"BYE sip:a SIP/2.0\r\nCall-ID: 1\r\nCall-ID: 2", Summary("BYE", call_id="1")),
        (b"BYE sip:a SIP/2.0\r\n\r\nCall-ID: body", Summary("BYE")),
    ],
)
def test_summarise(data, summary):
    assert summarise(data) == summary


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"hello", b"GET / HTTP/1.1", b"SIP/2.0 x OK"])
def test_what_is_no_message_has_no_summary(data):
    assert summarise(data) is None


@given(st.lists(st.binary(max_size=60) | st.sampled_from([request(), response()]), max_size=8))
def test_no_bytes_make_it_raise_or_print_badly(messages):
    ladder = Ladder(sent(n, data) for n, data in enumerate(messages))
    for text in (ladder.text(), ladder.mermaid()):
        assert all(line.isprintable() for line in text.split("\n"))
    ladder._repr_html_()


# -------------------------------------------------------------------- width

FAR = ("2001:db8:1234:5678:9abc:def0:1234:5678", 5061)


def long_call(*ends, loops=False):
    """An INVITE along all ends, sent twice on each, and the responses back."""
    hops = [*itertools.pairwise(ends)] + [(ends[-1], ends[-1])] * loops
    records = [
        sent(n, request(cseq=5807891, body=b"v=0\r\n"), *hop)
        for n, hop in enumerate([*hops, *hops])
    ]
    for n, (near, far) in enumerate(reversed(hops), len(records)):
        records.append(sent(n, response(180, "Ringing", cseq=5807891, call="other"), far, near))
    return [*records, MediaRecord(99.0, ends[0], ends[-1], 2500, 2490, 10, "PCMU", 50.0, "call-1")]


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("ends", [(ALICE, BOB), (ALICE, PROXY, BOB), (ALICE, PROXY, FAR, BOB)])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_asked(ends, width, loops):
    ladder = Ladder(long_call(*ends, loops=loops), names={ALICE: "alice@a.very.long.example.com"})
    head, *lines = ladder.text(width=width).split("\n")
    assert max(map(len, [head, *lines])) <= width
    assert len(head.split()) == len(ends)
    assert len(lines) == 3 * (len(ends) - 1 + loops) + 3


def test_it_is_80_wide_by_itself_and_as_wide_as_it_takes_when_told_so():
    ladder = Ladder(long_call(ALICE, PROXY, FAR, BOB))
    assert max(map(len, str(ladder).split("\n"))) <= 80
    free = ladder.text(width=None)
    assert max(map(len, free.split("\n"))) > 150
    assert "[1] INVITE (CSeq 5807891, SDP) [retransmission 1]" in free
    assert "RTP PCMU: 2500 sent, 2490 received, 10 lost, 50.0 s" in free


def test_labels_say_less_before_they_are_cut():
    lines = Ladder(long_call(ALICE, PROXY, BOB)).text(width=80).split("\n")
    assert [line.strip("|-<> ").split("|")[-1].strip("-<>= ") for line in lines[3:6]] == [
        "[1] INVITE [again]",
        "[1] INVITE [again]",
        "[2] 180 Ringing",
    ]
    assert Summary("INVITE", 180, "Ringing", cseq="1", sdp=True).labels() == (
        "180 Ringing (CSeq 1 INVITE, SDP)",
        "180 Ringing (INVITE, SDP)",
        "180 Ringing",
    )

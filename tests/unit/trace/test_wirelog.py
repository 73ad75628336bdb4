import logging
import re
import sys

import pytest

from sipparty.trace import Echoes, LogTap, Recorder, Wire, WireRecord, describe, mask, show
from sipparty.trace.wirelog import LOGGER

ALICE = ("127.0.0.1", 49885)
BOB = ("127.0.0.1", 5060)
OPTIONS = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"


def record(direction="sent", local=ALICE, remote=BOB, data=OPTIONS, time=0.0, transport="UDP"):
    return WireRecord(time, direction, transport, local, remote, data)


@pytest.fixture
def info(caplog):
    caplog.set_level(logging.INFO, LOGGER)
    return caplog


def test_sent_is_logged_between_fences(info):
    Wire().sent(OPTIONS, ALICE, BOB, "UDP", 1.0)
    (entry,) = info.records
    assert (entry.name, entry.levelname) == ("sipparty.messages", "INFO")
    assert entry.getMessage() == (
        "Sent ('127.0.0.1', 49885) -> ('127.0.0.1', 5060)\n"
        ">>>>>\n"
        "OPTIONS sip:bob@biloxi.com SIP/2.0\\r\\n\n"
        "CSeq: 1 OPTIONS\\r\\n\n"
        "\\r\\n\n"
        ">>>>>"
    )
    assert entry.wire == record(time=1.0)


def test_received_is_logged_from_source_to_destination(info):
    Wire().received(b"x\r\n", ("0.0.0.0", 5060), ALICE, "UDP", 1.0)
    assert info.messages == [
        "received ('127.0.0.1', 49885) -> ('0.0.0.0', 5060)\n<<<<<\nx\\r\\n\n<<<<<"
    ]


def test_ipv6_addresses_are_shown_as_pairs(info):
    Wire().sent(b"x", ("::1", 5060, 0, 0), ("fe80::1", 5062, 0, 2), "UDP", 0.0)
    assert info.messages[0].startswith("Sent ('::1', 5060) -> ('fe80::1', 5062)\n")


def test_nothing_is_logged_and_nothing_is_wanted_below_the_level(caplog):
    caplog.set_level(logging.WARNING, LOGGER)
    wire = Wire()
    assert not wire.enabled
    wire.sent(OPTIONS, ALICE, BOB, "UDP", 0.0)
    assert not caplog.records


def test_enabled_follows_the_level_and_the_taps(info):
    wire = Wire()
    assert wire.enabled
    info.set_level(logging.WARNING, LOGGER)
    assert not wire.enabled
    recorder = wire.add(Recorder())
    assert wire.enabled
    wire.remove(recorder)
    assert not wire.enabled
    assert not Wire(taps=()).enabled


def test_log_tap_takes_another_logger_and_level(caplog):
    other = logging.getLogger("sipparty.test.wire")
    caplog.set_level(logging.DEBUG, other.name)
    wire = Wire([LogTap(other, logging.DEBUG)])
    assert wire.enabled
    wire.sent(b"x", ALICE, BOB, "UDP", 0.0)
    assert [(r.name, r.levelname) for r in caplog.records] == [("sipparty.test.wire", "DEBUG")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb", "a\\r\\n\nb"),
        (b"a\r\n", "a\\r\\n"),
        (b"\r\n\r\n", "\\r\\n\n\\r\\n"),
        (b"a\nb\rc", "a\\nb\\rc"),
        (b"\x1b[2J\x00\x7f\t", "\\x1b[2J\\x00\\x7f\\t"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("Zoë ☎".encode(), "Zoë ☎"),
        ("\u202egnp\u2028\u0085".encode(), "\\u202egnp\\u2028\\u0085"),
        ("\U000e0001".encode(), "\\U000e0001"),
        (b'"a\\"b"', '"a\\\\"b"'),
        (b"\\r\\n", "\\\\r\\\\n"),
    ],
)
def test_show(data, text):
    assert show(data) == text


def unshow(text):
    """The bytes behind a shown text; the inverse that `show` promises to have."""

    def undo(match):
        body = match[1]
        if body[0] == "x" and int(body[1:], 16) >= 0x80:
            return chr(0xDC00 + int(body[1:], 16))
        if body[0] in "xuU":
            return chr(int(body[1:], 16))
        return {"\\": "\\", "r": "\r", "n": "\n", "t": "\t"}[body]

    escape = r"\\(\\|r|n|t|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"
    return re.sub(escape, undo, text.replace("\n", "")).encode("utf-8", "surrogateescape")


def test_show_can_be_turned_back_and_prints_safely():
    every = bytes(range(256))
    for data in (every, every[::-1], OPTIONS, "a\u202eb\u0085".encode(), b"\\x1b\\\r\n\\n"):
        text = show(data)
        assert unshow(text) == data
        assert all(line.isprintable() for line in text.split("\n"))


def test_a_message_cannot_forge_the_log():
    data = b"x\n>>>>>\nSent ('6.6.6.6', 1)\r\n>>>>>\r\nINFO:root:forged\r\n"
    lines = describe(record(data=data)).split("\n")
    assert lines.count(">>>>>") == 2
    assert lines[-1] == ">>>>>"
    assert all(line.endswith("\\r\\n") for line in lines[2:-1])


def test_taps_are_told_in_order_once_each():
    told = []

    def first(item):
        told.append(("first", item))

    wire = Wire(taps=[first])
    wire.add(first)

    @wire.add
    def second(item):
        told.append(("second", item))

    wire.received(b"x", BOB, ALICE, "TCP", 2.5)
    expected = WireRecord(2.5, "received", "TCP", BOB, ALICE, b"x")
    assert told == [("first", expected), ("second", expected)]
    assert wire.taps == (first, second)


def test_tapped_lasts_as_long_as_its_block():
    wire = Wire(taps=())
    with wire.tapped(Recorder()) as recorder:
        wire.sent(b"1", ALICE, BOB, "UDP", 0.0)
    wire.sent(b"2", ALICE, BOB, "UDP", 0.0)
    assert [r.data for r in recorder] == [b"1"]
    wire.remove(recorder)  # once more does no harm


def test_a_tap_that_raises_is_taken_off_and_the_others_are_told(caplog):
    def broken(_):
        raise RuntimeError("no more disk")

    recorder = Recorder()
    wire = Wire(taps=[broken, recorder])
    wire.sent(b"1", ALICE, BOB, "UDP", 0.0)
    wire.sent(b"2", ALICE, BOB, "UDP", 0.0)
    assert wire.taps == (recorder,)
    assert len(recorder) == 2
    (entry,) = caplog.records
    assert entry.levelname == "ERROR"
    assert "no more disk" in entry.exc_text
    assert "broken" in entry.getMessage()


def test_a_tap_that_is_not_enabled_is_not_told():
    class Picky(Recorder):
        enabled = False

    picky, always = Picky(), Recorder()
    wire = Wire(taps=[picky, always])
    wire.sent(b"1", ALICE, BOB, "UDP", 0.0)
    assert (len(picky), len(always)) == (0, 1)
    picky.enabled = True
    wire.sent(b"2", ALICE, BOB, "UDP", 0.0)
    assert (len(picky), len(always)) == (1, 2)


def test_recorder_keeps_the_latest():
    recorder = Recorder(limit=2)
    for data in (b"1", b"2", b"3"):
        recorder(record(data=data))
    assert [r.data for r in recorder] == [b"2", b"3"]
    recorder.clear()
    assert len(recorder) == 0


def test_source_and_destination():
    assert (record().source, record().destination) == (ALICE, BOB)
    got = record("received", BOB, ALICE)
    assert (got.source, got.destination) == (ALICE, BOB)


def test_echo_is_the_other_ends_report():
    echoes = Echoes()
    assert not echoes.is_echo(record())
    assert echoes.is_echo(record("received", BOB, ALICE))
    # The same bytes once more are not an echo, but their receipt is.
    assert not echoes.is_echo(record())
    assert echoes.is_echo(record("received", BOB, ALICE))


def test_echo_may_come_first():
    echoes = Echoes()
    assert not echoes.is_echo(record("received", BOB, ALICE))
    assert echoes.is_echo(record())


@pytest.mark.parametrize(
    "other",
    [
        record("received", BOB, ("127.0.0.1", 5062)),
        record("received", ("127.0.0.1", 5062), ALICE),
        record("received", BOB, ("10.0.0.1", 49885)),
        record("received", BOB, ALICE, b"other"),
        record("received", BOB, ALICE, transport="TCP"),
        record("sent", BOB, ALICE),
        record(),
    ],
)
def test_what_is_no_echo(other):
    echoes = Echoes()
    echoes.is_echo(record())
    assert not echoes.is_echo(other)


def test_echo_of_a_wildcard_socket_teaches_its_address():
    echoes = Echoes()
    echoes.is_echo(record())
    assert echoes.is_echo(record("received", ("0.0.0.0", 5060), ALICE))
    assert echoes.place(("0.0.0.0", 5060)) == BOB
    assert echoes.place(BOB) == BOB
    # Reached at another of its addresses it is the same place still.
    echoes.is_echo(record(remote=("10.0.0.9", 5060)))
    assert echoes.is_echo(record("received", ("0.0.0.0", 5060), ALICE))
    assert echoes.place(("10.0.0.9", 5060)) == BOB


def test_echo_through_a_dual_stack_socket():
    echoes = Echoes()
    echoes.is_echo(record())
    mapped = record("received", ("::ffff:127.0.0.1", 5060), ("::FFFF:127.0.0.1", 49885))
    assert echoes.is_echo(mapped)


def test_echoes_forget_the_oldest_beyond_the_limit():
    echoes = Echoes(limit=2)
    for data in (b"1", b"2", b"3"):
        echoes.is_echo(record(data=data))
    assert not echoes.is_echo(record("received", BOB, ALICE, b"1"))
    assert echoes.is_echo(record("received", BOB, ALICE, b"3"))


# -------------------------------------------------------------------- short, masked, unwatched

SECRETS = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"Route: <sip:alice:geheim@10.0.0.1;lr>\r\n"
    b'Authorization: Digest username="alice", nonce="abc", uri="sip:biloxi.com",\r\n'
    b' response="0123456789abcdef", cnonce="xyz"\r\n'
    b"Proxy-Authorization: Basic YWxpY2U6Z2VoZWlt\r\n"
    b'Authentication-Info: rspauth = "feedbeef", nextnonce="def"\r\n'
    b"Content-Type: application/sdp\r\n"
    b"CSeq: 2 INVITE\r\nCall-ID: abc\r\n\r\n"
    b"v=0\r\nk=clear:mantra\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVC|2^20|1:4\r\n"
    b"a=crypto:2 A inline:Zmlyc3Q|1:1;inline:c2Vjb25k|2:1 FEC_KEY=inline:dGhpcmQ=\r\n"
    b"a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
    b"a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO\r\n"
)


def test_secrets_are_masked_in_the_log_and_whole_in_the_record(info):
    Wire().sent(SECRETS, ALICE, BOB, "UDP", 1.0)
    (entry,) = info.records
    text = entry.getMessage()
    hidden = "geheim 0123456789abcdef YWxpY2U6Z2VoZWlt feedbeef mantra d0RmdmcmVC"
    hidden += " Zmlyc3Q c2Vjb25k dGhpcmQ asd88fgpdd777uzjYhagZg AQAFgM0XflABAAAAAAAAAAAAAAsAyO"
    for secret in hidden.split():
        assert secret.encode() in SECRETS
        assert secret not in text
    for shown in (
        "<sip:alice:***@10.0.0.1;lr>",
        'nonce="abc"',
        'response="***", cnonce="xyz"',
        "Proxy-Authorization: Basic ***",
        'rspauth = "***", nextnonce="def"',
        "inline:***|2^20|1:4",
        "inline:***|1:1;inline:***|2:1 FEC_KEY=inline:***",
        "a=ice-ufrag:8hhY",
        "a=ice-pwd:***",
        "a=key-mgmt:mikey ***",
        "k=clear:***",
    ):
        assert shown in text
    assert entry.wire.data == SECRETS


def test_masking_can_be_turned_off(info):
    wire = Wire()
    wire.log.masked = False
    wire.sent(SECRETS, ALICE, BOB, "UDP", 1.0)
    assert 'response="0123456789abcdef"' in info.messages[0]
    assert LogTap.masked


@pytest.mark.parametrize(
    "data",
    [
        OPTIONS,
        b"INVITE sip:bob@10.0.0.1:5060;lr=a@b SIP/2.0\r\n",
        b"Contact: <sip:10.0.0.1:5060>, <sip:bob@10.0.0.2:5061>\r\n",
        b'WWW-Authenticate: Digest realm="x", nonce="y"\r\n',
        b"authorization: digest nonce=abc\r\n",
        b"\xff\x00",
        b"",
    ],
)
def test_what_is_no_secret_is_left(data):
    assert mask(data) == data


@pytest.mark.parametrize(
    "piece",
    [
        b"sip:",
        b"sip:a:",
        b"response=",
        b"response",
        b"a=key-mgmt:",
        b"authorization:\n",
        b"inline:",
    ],
)
def test_masking_ends_whatever_it_is_given(piece):
    assert len(mask(piece * 50_000)) <= 4 * 50_000 * len(piece)


def test_one_line_a_message(info, monkeypatch):
    monkeypatch.setattr(LogTap, "short", True)
    wire = Wire()
    wire.sent(SECRETS, ALICE, BOB, "UDP", 1.0)
    wire.received(b"\r\n\r\n", ALICE, BOB, "TCP", 1.0)
    wire.received(b"\x1b" * 200, ALICE, BOB, "TCP", 1.0)
    assert info.messages[:2] == [
        "Sent ('127.0.0.1', 49885) -> ('127.0.0.1', 5060) UDP: "
        f"INVITE (CSeq 2, SDP), {len(SECRETS)} bytes, Call-ID abc",
        "received ('127.0.0.1', 5060) -> ('127.0.0.1', 49885) TCP: \\r\\n \\r\\n, 4 bytes",
    ]
    assert info.messages[2].isprintable()
    wire.log.short = False
    wire.sent(OPTIONS, ALICE, BOB, "UDP", 1.0)
    assert info.messages[3].count("\n") == 5


def test_watched_is_one_call_of_the_loggers_own(info):
    frames = []

    def count(frame, event, _):
        if event == "call":
            frames.append(frame.f_code.co_name)

    wire, always = Wire(), Wire([Recorder()])
    for one in (wire, always, Wire([])):
        sys.setprofile(count)
        one.watched()
        sys.setprofile(None)
    assert frames == ["isEnabledFor"]
    assert (wire.watched(), always.watched(), Wire([]).watched()) == (True, True, False)
    info.set_level(logging.WARNING, LOGGER)
    assert not wire.watched()


def test_a_record_is_shown_in_a_line():
    data = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nCall-ID: c1\r\n\r\n"
    record = WireRecord(0.0, "sent", "UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), data)
    assert str(record) == describe(record, short=True, masked=True)
    assert "\n" not in str(record)
    assert "OPTIONS" in str(record)

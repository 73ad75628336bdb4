import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import BuildError, ParseError
from sipparty.media.rtp.rtcp import (
    ApplicationDefined,
    Goodbye,
    PayloadFeedback,
    ReceiverReport,
    ReportBlock,
    SDESChunk,
    SDESItem,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    UnknownRTCP,
    build_compound,
    parse_rtcp,
)

BLOCK = ReportBlock(0x11111111, 64, -5, 0x00010002, 7, 0xB7052000, 0x00054000)
words = st.integers(0, 0xFFFFFFFF)
aligned = st.integers(0, 4).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
blocks = st.lists(
    st.builds(
        ReportBlock,
        words,
        st.integers(0, 255),
        st.integers(-(1 << 23), (1 << 23) - 1),
        words,
        words,
        words,
        words,
    ),
    max_size=3,
).map(tuple)
texts = st.text(max_size=40).filter(lambda text: len(text.encode("utf-8", "replace")) < 200)
packet = st.one_of(
    st.builds(SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, blocks, aligned),
    st.builds(ReceiverReport, words, blocks, aligned),
    st.builds(
        SourceDescription,
        st.lists(
            st.builds(
                SDESChunk,
                words,
                st.lists(st.builds(SDESItem, st.integers(1, 255), texts), max_size=3).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(Goodbye, st.lists(words, max_size=31).map(tuple), st.none() | texts),
    st.builds(
        ApplicationDefined,
        words,
        st.binary(min_size=4, max_size=4),
        aligned,
        st.integers(0, 31),
    ),
    st.builds(TransportFeedback, st.integers(0, 31), words, words, aligned),
    st.builds(PayloadFeedback, st.integers(0, 31), words, words, aligned),
    st.builds(UnknownRTCP, st.integers(207, 255), st.integers(0, 31), aligned),
)


@given(st.lists(packet, min_size=1, max_size=4))
def test_what_is_written_is_read(packets):
    data = b"".join(map(bytes, packets))
    assert parse_rtcp(data, compound=False) == packets


@given(st.binary(max_size=100), st.booleans())
def test_arbitrary_bytes_are_read_or_refused(data, compound):
    try:
        packets = parse_rtcp(data, compound=compound)
    except ParseError:
        return
    assert packets


@given(st.integers(0, 63), st.integers(198, 208), st.integers(0, 12), st.binary(max_size=48))
def test_plausible_headers_are_read_or_refused(flags, kind, length, body):
    data = bytes((0x80 | flags, kind, 0, length)) + body
    try:
        packets = parse_rtcp(data, compound=False)
    except ParseError:
        return
    assert packets


def test_a_sender_report_has_its_fields_where_the_rfc_has_them():
    report = SenderReport(0x01020304, 0xB44DB70520000000, 5, 6, 7, (BLOCK,))
    assert bytes(report) == bytes.fromhex(
        "81c8000c 01020304 b44db705 20000000 00000005 00000006 00000007"
        "11111111 40fffffb 00010002 00000007 b7052000 00054000"
    )


def test_the_count_of_lost_packets_has_a_sign():
    (report,) = parse_rtcp(bytes(ReceiverReport(1, (BLOCK,))))
    assert isinstance(report, ReceiverReport)
    assert report.reports[0].cumulative_lost == -5
    assert report.reports[0].fraction_lost == 64


def test_a_source_description_ends_its_lists_and_fills_its_words():
    one = SourceDescription.cname(1, "ab")  # 4 + 2 + 2 octets: a whole word of nulls follows
    assert bytes(one) == bytes.fromhex("81ca0003 00000001 01026162 00000000")
    two = SourceDescription.cname(1, "abc")
    assert bytes(two) == bytes.fromhex("81ca0003 00000001 01036162 63000000")


def test_text_that_is_no_utf8_comes_back_as_it_was():
    data = bytes.fromhex("81ca0003 00000001 0102ff62 00000000")
    (description,) = parse_rtcp(data, compound=False)
    assert bytes(description) == data


def test_a_goodbye_may_say_why():
    data = bytes(Goodbye((1, 2), "camera malfunction"))
    assert len(data) % 4 == 0
    assert parse_rtcp(data, compound=False) == [Goodbye((1, 2), "camera malfunction")]
    assert parse_rtcp(bytes(Goodbye()), compound=False) == [Goodbye()]


def test_padding_stays_and_is_for_the_last_packet():
    padded = Goodbye((1,), padding=b"\x00\x00\x00\x04")
    data = bytes(ReceiverReport(1)) + bytes(padded)
    assert parse_rtcp(data) == [ReceiverReport(1), padded]
    with pytest.raises(ParseError, match="last packet only"):
        parse_rtcp(bytes(padded) + bytes(ReceiverReport(1)), compound=False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", "a header of 4 octets"),
        ("80c9", "a header of 4 octets"),
        ("40c90001 00000001", "version 2, not 1"),
        ("80ca0000", "a sender or receiver report first, not type 202"),
        ("80c90002 00000001", "2 words after the header"),
        ("80c90000", "an SSRC"),
        ("81c90001 00000001", "1 report blocks of 24 octets"),
        ("80c80001 00000001", "sender information"),
        ("80c90001 00000001 80", "a header of 4 octets"),
        ("80c90001 00000001 81cb0000", "1 sources"),
        ("80c90001 00000001 81cb0002 00000001 09414243", "9 octets of a reason for leaving"),
        ("80c90001 00000001 80cb0002 00000000 00000001", "the end of the reason"),
        ("80c90001 00000001 80cc0001 00000001", "a name of 4 octets"),
        ("80c90001 00000001 a0cb0000", "padding of 4 to 0 octets"),
        ("80c90001 00000001 a0cb0001 00000003", "padding of 4 to 4 octets"),
        ("80c90001 00000001 a0cb0001 00000000", "padding of 4 to 4 octets"),
        ("80c90001 00000001 81ca0002 00000001 01024142", "an SDES item or the end of the list"),
    ],
)
def test_what_is_refused_says_why(data, expected):
    with pytest.raises(ParseError) as caught:
        parse_rtcp(bytes.fromhex(data))
    assert caught.value.expected.startswith(expected)
    assert "RTCP packet" in str(caught.value)


def test_a_report_alone_is_read_for_it_is_what_some_send():
    assert parse_rtcp(bytes(ReceiverReport(1))) == [ReceiverReport(1)]


def test_unknown_types_are_kept():
    data = bytes(ReceiverReport(1)) + bytes.fromhex("8bcf0001 deadbeef")
    assert parse_rtcp(data)[1] == UnknownRTCP(207, 11, bytes.fromhex("deadbeef"))


def test_a_compound_packet_keeps_the_rules():
    name = SourceDescription.cname(1, "x")
    data = build_compound([ReceiverReport(1), name, Goodbye((1,))])
    assert parse_rtcp(data) == [ReceiverReport(1), name, Goodbye((1,))]
    for wrong in (
        [],
        [name],
        [ReceiverReport(1)],
        [ReceiverReport(2), name],
        [ReceiverReport(1), Goodbye((1,), padding=b"\x00\x00\x00\x04"), name],
    ):
        with pytest.raises(BuildError):
            build_compound(wrong)


@pytest.mark.parametrize(
    "packet",
    [
        ReceiverReport(1 << 32),
        ReceiverReport(1, (BLOCK,) * 32),
        ReceiverReport(1, (BLOCK._replace(fraction_lost=256),)),
        ReceiverReport(1, (BLOCK._replace(cumulative_lost=1 << 23),)),
        ReceiverReport(1, extension=b"abc"),
        SourceDescription((SDESChunk(1, (SDESItem(0, "x"),)),)),
        SourceDescription.cname(1, "x" * 256),
        Goodbye((1,), "x" * 256),
        ApplicationDefined(1, b"abc"),
        ApplicationDefined(1, b"abcd", subtype=32),
        TransportFeedback(1, 2, -3),
        UnknownRTCP(256),
        Goodbye((1,), padding=b"\x04"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_no_packet_can_hold_is_not_built(packet):
    with pytest.raises(BuildError):
        bytes(packet)


@pytest.mark.parametrize(
    ("data", "expected", "position"),
    [
        ("a0c9000100000001", "padding of 4 to 4 octets, a multiple of 4", 7),
        ("a0c900020000000100000000", "padding of 4 to 8 octets, a multiple of 4", 11),
        ("a0c90002000000010000000c", "padding of 4 to 8 octets, a multiple of 4", 11),
        ("a0c9000100000004" + "80c9000100000001", "padding in the last packet only", 0),
        ("80c9000100000001" + "80ca0003", "3 words after the header", 10),
        ("80c9000100000001" + "80ca", "a header of 4 octets", 8),
        ("80c9000100000001" + "40c90000", "version 2, not 1", 8),
        ("80ca000100000001", "a sender or receiver report first, not type 202", 1),
    ],
)
def test_an_error_says_what_was_expected_and_where(data, expected, position):
    with pytest.raises(ParseError) as caught:
        parse_rtcp(bytes.fromhex(data))
    assert (caught.value.expected, caught.value.position) == (expected, position)


def test_padding_may_be_all_that_follows_the_ssrc():
    (packet,) = parse_rtcp(bytes.fromhex("a0c900020000000100000004"))
    assert (packet.ssrc, packet.padding) == (1, bytes.fromhex("00000004"))
    assert bytes(packet) == bytes.fromhex("a0c900020000000100000004")


def test_a_report_block_says_nothing_by_default():
    assert ReportBlock(5) == (5, 0, 0, 0, 0, 0, 0)
    assert SenderReport(1, 2, 3, 4, 5).reports == ReceiverReport(1).reports == ()
    assert UnknownRTCP(207).count == ApplicationDefined(1, b"name").subtype == 0

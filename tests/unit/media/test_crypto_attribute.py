import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import BuildError, ParseError
from sipparty.media.srtp.crypto_attribute import CryptoAttribute, InlineKey, crypto_attributes
from sipparty.media.srtp.transport import SUITES
from sipparty.sdp import SessionDescription

CM = "AES_CM_128_HMAC_SHA1_80"
CM_32 = "AES_CM_128_HMAC_SHA1_32"
GCM = "AEAD_AES_256_GCM"

#: Keys with their salts, as long as those of AES_CM_128 are.
KEYS = [bytes([n]) * 30 for n in range(8)]


def inline(key):
    return "inline:" + base64.b64encode(key).decode()


# The grammar.


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (
            f"1 {CM} inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
            InlineKey(b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#", 2**20, 1, 4),
        ),
        (
            f"1 {CM} inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4",
            InlineKey(b"aBCdefghiJKLmoPQrsTuVwyz123456", None, 1066, 4),
        ),
        (f"1 {CM} {inline(KEYS[1])}", InlineKey(KEYS[1])),
        (f"1 {CM} {inline(KEYS[1])}|4096", InlineKey(KEYS[1], 4096)),
        (f"1 {CM} {inline(KEYS[1])}|2^48", InlineKey(KEYS[1], 2**48)),
        (f"1 {CM} {inline(KEYS[1])}|2^0", InlineKey(KEYS[1], 1)),
        (f"1 {CM} {inline(KEYS[1])}|9:128", InlineKey(KEYS[1], None, 9, 128)),
        # Padding is discarded, and may be left out.
        (f"1 {CM} inline:AAECAwQFBgcICQoLDA0ODw==", InlineKey(bytes(range(16)))),
        (f"1 {CM} inline:AAECAwQFBgcICQoLDA0ODw", InlineKey(bytes(range(16)))),
    ],
)
def test_a_line_is_read(value, key):
    read = CryptoAttribute.parse(value)
    assert (read.tag, read.suite, read.keys, read.parameters) == (1, CM, (key,), ())
    assert CryptoAttribute.parse(str(read)) == read


def test_a_line_with_all_there_is():
    value = (
        f"999999999 F8 {inline(KEYS[1])}|2^20|1:4;{inline(KEYS[2])}|2^20|2:4 KDR=3 \t -x=;,| WSH=64"
    )
    read = CryptoAttribute.parse(value)
    assert read.tag == 999_999_999
    assert read.suite == "F8"
    assert [key.identifier for key in read.keys] == [b"\0\0\0\1", b"\0\0\0\2"]
    assert read.parameters == ("KDR=3", "-x=;,|", "WSH=64")
    assert str(read) == value.replace(" \t ", " ")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"1 {CM}",
        f"1 {CM} AAEC",
        f"1a {CM} inline:AAEC",
        f"01 {CM} inline:AAEC",
        f"-1 {CM} inline:AAEC",
        f"1000000000 {CM} inline:AAEC",
        "1 AES-CM inline:AAEC",
        f"1 {CM} inline:",
        f"1 {CM} uri:AAEC",
        f"1 {CM} inline:A",
        f"1 {CM} inline:AA=C",
        f"1 {CM} inline:@@@###",
        f"1 {CM} inline:AAEC|0",
        f"1 {CM} inline:AAEC|01",
        f"1 {CM} inline:AAEC|2^49",
        f"1 {CM} inline:AAEC|2^048",
        f"1 {CM} inline:AAEC|281474976710657",
        f"1 {CM} inline:AAEC|2^20|1",
        f"1 {CM} inline:AAEC|2^20|1:",
        f"1 {CM} inline:AAEC|2^20|01:4",
        f"1 {CM} inline:AAEC|2^20|1:04",
        f"1 {CM} inline:AAEC|2^20|0:4",
        f"1 {CM} inline:AAEC|2^20|1:0",
        f"1 {CM} inline:AAEC|2^20|1:129",
        f"1 {CM} inline:AAEC|2^20|256:1",
        f"1 {CM} inline:AAEC|1:4|2^20",
        f"1 {CM} inline:AAEC|2^20|1:4|1:4",
        f"1 {CM} inline:AAEC;inline:AAED",
        f"1 {CM} inline:AAEC|1:4;inline:AAED",
        f"1 {CM} inline:AAEC|1:4;inline:AAED|1:4",
        f"1 {CM} inline:AAEC|1:4;inline:AAED|2:3",
        f"1 {CM} inline:AAEC|1:4;",
        f"1 {CM} inline:AAEC KDR\x01",
        f"1 {CM} " + ";".join(f"inline:AAEC|{n}:1" for n in range(1, 18)),
    ],
)
def test_a_line_that_is_none(value):
    with pytest.raises(ParseError) as caught:
        CryptoAttribute.parse(value)
    assert "AAEC" not in str(caught.value)
    assert "AAEC" not in repr(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InlineKey(b""),
        lambda: InlineKey(b"x", 0),
        lambda: InlineKey(b"x", 2**48 + 1),
        lambda: InlineKey(b"x", None, 1),
        lambda: InlineKey(b"x", None, 256, 1),
        lambda: InlineKey(b"x", None, 0, 1),
        lambda: InlineKey(b"x", None, 1, 129),
        lambda: InlineKey(b"x", None, None, 4),
        lambda: CryptoAttribute(-1, CM, (InlineKey(b"x"),)),
        lambda: CryptoAttribute(10**9, CM, (InlineKey(b"x"),)),
        lambda: CryptoAttribute(1, "a b", (InlineKey(b"x"),)),
        lambda: CryptoAttribute(1, CM, ()),
        lambda: CryptoAttribute(1, CM, (InlineKey(b"x"), InlineKey(b"y"))),
        lambda: CryptoAttribute(1, CM, (InlineKey(b"x"),), ("a b",)),
        lambda: CryptoAttribute(1, CM, (InlineKey(b"x"),), ("",)),
    ],
)
def test_what_cannot_be_written(make):
    with pytest.raises(BuildError):
        make()


def test_no_key_shows():
    key = InlineKey(KEYS[3], 2**20, 7, 4)
    line = CryptoAttribute(1, CM, (key,))
    assert "lifetime=1048576, mki=7" in repr(line)
    for text in (repr(key), repr(line), repr(line.master_keys())):
        assert "\\x03" not in text
    text = str(offer(f"m=audio 9 RTP/SAVP 0\r\na=crypto:{line}").media[0].attributes)
    assert f"value='1 {CM} inline:***|2^20|7:4'" in text


_KEY = st.binary(min_size=1, max_size=80)
_LIFETIME = st.none() | st.integers(1, 2**48)


@st.composite
def lines(draw):
    size = draw(st.integers(0, 128))
    if size:
        highest = min(256**size - 1, 10**40)
        numbers = draw(st.lists(st.integers(1, highest), min_size=1, max_size=5, unique=True))
        keys = [InlineKey(draw(_KEY), draw(_LIFETIME), number, size) for number in numbers]
    else:
        keys = [InlineKey(draw(_KEY), draw(_LIFETIME))]
    words = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
    suite = draw(
        st.sampled_from(list(SUITES)) | st.from_regex(r"[A-Za-z0-9_]{1,40}", fullmatch=True)
    )
    return CryptoAttribute(draw(st.integers(0, 10**9 - 1)), suite, tuple(keys), tuple(draw(words)))


@given(lines())
def test_what_is_written_is_read_again(line):
    assert CryptoAttribute.parse(str(line)) == line
    assert str(CryptoAttribute.parse(str(line))) == str(line)


@given(st.text() | st.text("0123456789 :;|^=inlineAEC_"))
def test_any_text_is_a_line_or_an_error(text):
    try:
        line = CryptoAttribute.parse(text)
    except ParseError:
        return
    assert CryptoAttribute.parse(str(line)) == line


# Which lines count.


def offer(*media):
    head = "v=0\r\no=bob 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    return SessionDescription.parse((head + "\r\n".join(media) + "\r\n").encode())


def audio(*crypto, proto="RTP/SAVP", port=4000):
    return "\r\n".join([f"m=audio {port} {proto} 0", *(f"a=crypto:{one}" for one in crypto)])


def line(tag=1, suite=CM, key=0, more=""):
    return f"{tag} {suite} {inline(KEYS[key])}{more}"


def test_lines_that_follow_no_grammar_are_none():
    found = crypto_attributes(offer(audio("x", line(2), "1 2", line(3, "F8"))).media[0])
    assert [one.tag for one in found] == [2, 3]


def test_a_tag_that_stands_twice_names_nothing():
    found = crypto_attributes(offer(audio(line(1), line(2), line(1, CM_32))).media[0])
    assert [one.tag for one in found] == [2]


def test_there_are_only_so_many_lines():
    found = crypto_attributes(offer(audio(*(line(n) for n in range(1, 99)))).media[0])
    assert len(found) == 32


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (line(), None),
        (line(more="|2^31|1:4"), None),
        (line(more=" WSH=64 FEC_ORDER=FEC_SRTP -anything=1"), None),
        (line(suite="F8_128_HMAC_SHA1_80"), "the suite F8_128_HMAC_SHA1_80 is not supported"),
        (line(suite=GCM), "a key of AEAD_AES_256_GCM has 44 octets with its salt"),
        (f"1 {CM} inline:AAEC", f"a key of {CM} has 30 octets with its salt"),
        (f"1 {CM} {inline(KEYS[0])}|1:1;{inline(KEYS[0])}|2:1", "a key stands there twice"),
        (line(more=" KDR=1"), "KDR asks for keys derived anew"),
        (line(more=" UNENCRYPTED_SRTP"), "UNENCRYPTED_SRTP asks for media that is not encrypted"),
        (
            line(more=" UNENCRYPTED_SRTCP"),
            "UNENCRYPTED_SRTCP asks for reports that are not encrypted",
        ),
        (
            line(more=" UNAUTHENTICATED_SRTP"),
            "UNAUTHENTICATED_SRTP asks for media that is not authenticated",
        ),
        (
            line(more=" FEC_ORDER=SRTP_FEC"),
            "FEC_ORDER asks for error correction after encryption",
        ),
        (
            line(more=" FEC_KEY=inline:AAEC"),
            "FEC_KEY asks for error correction with a key of its own",
        ),
        (line(more=" NEW=1"), "NEW asks for what is not known here"),
        (line(more=" --x"), "--x asks for what is not known here"),
        (line(more=" WSH=x"), "WSH asks for what is not known here"),
    ],
)
def test_what_can_be_used(value, fault):
    assert CryptoAttribute.parse(value).fault == fault

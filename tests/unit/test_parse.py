"""`sipparty.parse`: the declarative parser and the property that parses."""

from __future__ import annotations

import pytest

from sipparty.errors import ParseError, SIPPartyError
from sipparty.parse import ParsedProperty, Parser, Piece, decode
from sipparty.vb import ValueBinder


class Version(Parser):
    pieces = (
        Piece("major", "0-9", "the major version", parse=int),
        Piece("minor", "0-9", "'.' and the minor version", before=".", optional=True, parse=int),
    )

    def __init__(self, major: int, minor: int = 0) -> None:
        self.major = major
        self.minor = minor


class Product(Parser):
    what = "product"
    pieces = (
        Piece("owner", "^@", "an owner", after="@", optional=True),
        Piece("name", "A-Za-z", "a name", most=8),
        Piece("version", "^ ", "a version", before="/", parse=Version),
        Piece("", " ", "spaces", optional=True, least=0),
    )

    def __init__(self, name: str, version: Version, owner: str | None = None) -> None:
        self.name = name
        self.version = version
        self.owner = owner


class TestParser:
    def test_pieces_become_keyword_arguments(self):
        product = Product.parse("alice@sip/2.1  ")
        assert (product.owner, product.name) == ("alice", "sip")
        assert (product.version.major, product.version.minor) == (2, 1)

    def test_an_absent_piece_is_not_given(self):
        product = Product.parse(b"sip/2")
        assert product.owner is None
        assert product.version.minor == 0

    def test_the_old_name(self):
        assert Version.Parse("3.4").minor == 4

    @pytest.mark.parametrize(
        ("text", "position", "expected"),
        [
            ("", 0, "an owner or a name"),
            ("9", 0, "an owner or a name"),
            ("sip", 3, "a version"),
            ("sip/", 4, "a version"),
            ("sip/x", 4, "the major version"),
            ("sip/2.x", 5, "'.' and the minor version or the end"),
            ("sip/2 x", 6, "the end"),
            ("toolonganame/2", 8, "a version"),
        ],
    )
    def test_an_error_says_what_was_expected_and_where(self, text, position, expected):
        with pytest.raises(ParseError) as caught:
            Product.parse(text)
        assert caught.value.text == text
        assert caught.value.position == position
        assert caught.value.expected == expected
        assert caught.value.what == "product"

    def test_positions_in_bytes_count_bytes(self):
        raw = "é@sip/x".encode()
        with pytest.raises(ParseError) as caught:
            Product.parse(raw)
        assert caught.value.text == raw
        assert raw[caught.value.position :] == b"x"

    def test_a_refusal_by_a_function_is_a_parse_error_with_its_cause(self):
        class Small(Parser):
            pieces = (
                Piece("value", "0-9", "a number below ten", parse=lambda t: [*range(10)][int(t)]),
            )

        class Strict(Parser):
            pieces = (Piece("value", "0-9a-z", "a number", parse=int),)

        with pytest.raises(ParseError, match="a number at position 0") as caught:
            Strict.parse("1a")
        assert isinstance(caught.value.__cause__.__cause__, ValueError)
        with pytest.raises(IndexError):
            Small.parse("10")

    def test_only_text_is_text(self):
        with pytest.raises(TypeError, match="must be str or bytes, not int"):
            Version.parse(5)

    def test_a_wrong_piece_is_refused_when_the_class_is_made(self):
        with pytest.raises(TypeError, match="no set of characters"):
            Piece("x", "z-a", "a letter")
        with pytest.raises(TypeError, match="identifier"):
            Piece("not one", "a", "a letter")

    def test_time_is_linear(self):
        # An exponential or quadratic parser would not come back within the suite's limit.
        class Words(Parser):
            pieces = tuple(Piece("", "a", "a run", after="!", optional=True) for _ in range(10))

        with pytest.raises(ParseError):
            Words.parse("a" * 1_000_000)

    def test_every_byte_survives_decoding(self):
        every = bytes(range(256))
        assert decode(every).encode("utf-8", "surrogateescape") == every
        assert decode(memoryview(every)) == decode(bytearray(every))


class Phone:
    version = ParsedProperty(Version)
    must = ParsedProperty(Version, optional=False)


class TestParsedProperty:
    def test_text_is_parsed(self):
        phone = Phone()
        assert phone.version is None
        phone.version = "2.1"
        assert phone.version.minor == 1
        phone.version = b"3"
        assert phone.version.major == 3

    def test_an_instance_is_stored(self):
        phone, version = Phone(), Version(1)
        phone.version = version
        assert phone.version is version

    def test_none_clears(self):
        phone = Phone()
        phone.version = "1"
        phone.version = None
        assert phone.version is None
        phone.version = "1"
        del phone.version
        assert phone.version is None

    def test_a_failed_parse_keeps_the_old_value(self):
        phone = Phone()
        phone.version = old = Version(1)
        with pytest.raises(ParseError) as caught:
            phone.version = "x"
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, SIPPartyError)
        assert phone.version is old

    @pytest.mark.parametrize("wrong", [7, 1.5, [], Phone()])
    def test_another_type_is_refused_by_name(self, wrong):
        with pytest.raises(TypeError, match=r"Phone\.version takes a Version or text that is one"):
            Phone().version = wrong

    def test_none_can_be_refused(self):
        with pytest.raises(TypeError, match=r"Phone\.must"):
            Phone().must = None

    def test_instances_do_not_share(self):
        one, other = Phone(), Phone()
        one.version = "1"
        assert other.version is None

    def test_it_needs_something_that_parses(self):
        with pytest.raises(TypeError, match="no parse"):
            ParsedProperty(int)

    def test_the_class_gives_the_descriptor(self):
        assert isinstance(Phone.version, ParsedProperty)

    def test_a_value_binder_sees_it_set(self):
        class Watched(ValueBinder):
            version = ParsedProperty(Version)
            copy = None

        watched = Watched()
        watched.bind("version", "copy")
        watched.version = "4.2"
        assert watched.copy is watched.version
        with pytest.raises(ParseError):
            watched.version = "bad"
        assert watched.copy.major == watched.version.major == 4

"""What is read though it is not written as it should be, and how it is sent on."""

from __future__ import annotations

import pytest

from sipparty.errors import ParseError
from sipparty.sip import DNameURI
from sipparty.sip.lenient import has_tag, is_spaced, tidied, with_crlf, with_single_spaces


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("< sip:a@b >;tag=1", "<sip:a@b>;tag=1"),
        ("<sip:a@b;x=1;\t y=2>", "<sip:a@b;x=1;y=2>"),
        ('"a <b c> ;;" < sip:x>;tag=1', '"a <b c> ;;" <sip:x>;tag=1'),
        ("Bob B. <sip:a b@c>;;tag=1;", "Bob B. <sip:ab@c>;tag=1"),
        ("<sip:a>;", "<sip:a>"),
        ("<sip:a> ; ;tag=1", "<sip:a>;tag=1"),
        ("sip:a@b;;tag=1;", "sip:a@b;tag=1"),
        ('<sip:a>;;x="a;;b";', '<sip:a>;x="a;;b"'),
    ],
)
def test_an_address_is_sent_on_as_it_should_be(text, written):
    assert tidied(text) == written
    before, after = DNameURI.parse(text), DNameURI.parse(written)
    assert (before.uri, before.display_name) == (after.uri, after.display_name)
    assert dict(before.parameters) == dict(after.parameters)
    assert str(before) == text
    assert tidied(written) == written


@pytest.mark.parametrize(
    "text",
    ['"a < b > ;; c" <sip:x>;tag="a; ;b"', "<sip:x;;lr>", "sip:a", "*", '"\\" < x>" <sip:a>'],
)
def test_what_is_right_comes_as_it_is(text):
    assert tidied(text) == text
    assert not is_spaced(text)


def test_what_is_no_address_cannot_be_tidied():
    with pytest.raises(ParseError):
        tidied('"a;;')


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("<sip:a >", True),
        ("<\tsip:a>", True),
        ("a b <sip:a>", False),
        ('"<a b>" <sip:a>', False),
        ('"<a b>" <sip:a >', True),
        ("sip:a", False),
        ("<sip:a>;x=<a b>", False),
    ],
)
def test_white_space_in_brackets(text, spaced):
    assert is_spaced(text) == spaced


@pytest.mark.parametrize(
    ("data", "normal"),
    [
        (b"A\nB\n\nbody\n", b"A\r\nB\r\n\r\nbody\n"),
        (b"A\r\nB\n\r\nbody", b"A\r\nB\r\n\r\nbody"),
        (b"A\nB\r\n\r\n", b"A\r\nB\r\n\r\n"),
        (b"\n\r\nA\n\n\n", b"A\r\n\r\n\n"),
        (b"A\n b\n\n", b"A\r\n b\r\n\r\n"),
        (b"A\r\n\r\nbody\n\n", None),
        (b"A\nB", None),
        (b"A\rB\r\n\r\n", None),
        (b"", None),
        (b"\n\n", None),
    ],
)
def test_bare_line_feeds(data, normal):
    assert with_crlf(data, 100) == normal


def test_a_head_is_looked_for_as_far_as_it_may_be():
    data = b"A" * 10 + b"\n\n"
    assert with_crlf(data, 10) == b"A" * 10 + b"\r\n\r\n"
    assert with_crlf(data, 7) is None
    longest = b"A\n" + b"B" * 8 + b"\r\n\r\n"
    assert with_crlf(longest, 10) == longest.replace(b"A\n", b"A\r\n")
    assert with_crlf(longest, 9) is None


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("A  b SIP/2.0", "A b SIP/2.0"),
        ("A b\tSIP/2.0 ", "A b SIP/2.0"),
        ("A b SIP/2.0", None),
        ("A b c SIP/2.0", None),
        (" A b SIP/2.0", None),
        ("A b", None),
        ("", None),
        ("SIP/2.0  200  so  it is", "SIP/2.0 200 so  it is"),
        ("sip/2.0 200", None),
    ],
)
def test_start_lines(line, normal):
    assert with_single_spaces(line) == normal


def test_tags():
    assert has_tag("<sip:a>;tag=1")
    assert has_tag("<sip:a>;TAG")
    assert not has_tag("<sip:tag@a>")
    assert not has_tag("<sip:a")
    assert not has_tag("<sip:a>;x")

"""The pieces that every header shares."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.components import URI
from sipparty.sip.grammar import (
    address_tag,
    check_line,
    find_parameter,
    is_token,
    next_quoted,
    quote,
    split_at_semicolons,
    split_list,
    split_parameters,
    unquote,
)
from sipparty.sip.uri_grammar import split_sip_uri


@pytest.mark.parametrize("text", ["INVITE", "a", "-.!%*_+`'~", "x0Y9"])
def test_tokens(text):
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "é", "a\n", "a:b", '"a"', "a;b", "a\0"])
def test_what_is_no_token(text):
    assert not is_token(text)


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\x1b", "\x0b", "\x7f"])
def test_what_would_end_a_line_is_refused_with_its_place(bad):
    with pytest.raises(BuildError) as refusal:
        check_line(f"abc{bad}d", "subject")
    assert "cannot be a subject" in str(refusal.value)
    assert f"{bad!r} at position 3" in str(refusal.value)


def test_what_may_stand_in_a_line_comes_back():
    text = "a\tb é \udcff"
    assert check_line(text) is text


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [("", '""'), ("a b", '"a b"'), ('say "x"', r'"say \"x\""'), ("a\\b", r'"a\\b"')],
)
def test_quotes(plain, quoted):
    assert quote(plain) == quoted
    assert unquote(quoted) == plain
    assert next_quoted(f"..{quoted}..", 2, "x") == 2 + len(quoted)


@pytest.mark.parametrize("text", ["", "a", '"', 'a"b"', '"a'])
def test_text_without_quotes_around_it_is_left_alone(text):
    assert unquote(text) == text


def test_any_quoted_pair_stands_for_its_character():
    assert unquote(r'"\a\b\ "') == "ab "


@pytest.mark.parametrize("text", ['"', '"abc', r'"abc\"', '"a\\'])
def test_a_quoted_string_that_does_not_end(text):
    with pytest.raises(ParseError, match="closing quotation mark"):
        next_quoted(text, 0, "x")


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        (" a ", ["a"]),
        ("a,b", ["a", "b"]),
        (" a , b\t, c", ["a", "b", "c"]),
        (",,a,,", ["a"]),
        ('"x, y" <sip:a>, b', ['"x, y" <sip:a>', "b"]),
        (r'"x\", y", b', [r'"x\", y"', "b"]),
        ("<sip:a,b@c>;x=1, <sip:d>", ["<sip:a,b@c>;x=1", "<sip:d>"]),
        ("<sip:a, b", ["<sip:a, b"]),
    ],
)
def test_lists(text, elements):
    assert split_list(text) == elements


def test_a_list_with_a_quote_that_does_not_end():
    with pytest.raises(ParseError, match="a valid Contact"):
        split_list('a, "b', "Contact")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        (";", []),
        (";a=1;b;c=", [("a", "1"), ("b", None), ("c", "")]),
        (" ; a = 1 ;; b ", [("a", "1"), ("b", None)]),
        (';c="x;y=z";d', [("c", '"x;y=z"'), ("d", None)]),
        (";a=b=c", [("a", "b=c")]),
    ],
)
def test_parameters(text, pairs):
    assert split_parameters(text) == pairs


def test_nothing_is_lost_between_semicolons():
    text = '; a ;;b="x;y" ; '
    assert split_at_semicolons(text) == ["", " a ", "", 'b="x;y" ', " "]
    assert ";".join(split_at_semicolons(text)) == text
    with pytest.raises(ParseError):
        split_at_semicolons(';a="b')


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (";tag=1", "tag", "1"),
        (";x=y;tag=1;z", "tag", "1"),
        (";TAG=1", "tag", "1"),
        ("; tag = 1 ;x", "tag", "1"),
        (";rport", "rport", ""),
        (";rport=", "rport", ""),
        (";xtag=1", "tag", None),
        (";tagx=1", "tag", None),
        (";a=tag", "tag", None),
        ("", "tag", None),
        (';a="b;tag=2";tag=1', "tag", "1"),
        (';tag="a b"', "tag", '"a b"'),
    ],
)
def test_finding_a_parameter(text, name, value):
    assert find_parameter(text, name) == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sip:a", ("sip", None, "a", None, "", "")),
        ("SIPS:Bob@Example.COM:5061", ("sips", "Bob", "example.com", 5061, "", "")),
        ("sip:b@h;lr;x=%20?Subject=x", ("sip", "b", "h", None, ";lr;x=%20", "Subject=x")),
        ("sip:b:pw@h", ("sip", "b:pw", "h", None, "", "")),
        ("sip:a;b?c@h;lr", ("sip", "a;b?c", "h", None, ";lr", "")),
        ("sip:[2001:DB8::1]:5060;lr", ("sip", None, "2001:db8::1", 5060, ";lr", "")),
        ("sip:u@[::1]", ("sip", "u", "::1", None, "", "")),
        ("sip:h?x=y", ("sip", None, "h", None, "", "x=y")),
        ("tel:+1-201-555-0123", ("tel", None, "", None, "", "")),
        ("Urn:service:sos", ("urn", None, "", None, "", "")),
    ],
)
def test_parts_of_uris(text, parts):
    assert split_sip_uri(text) == parts


@pytest.mark.parametrize(
    ("text", "expected", "position"),
    [
        ("", "a scheme followed by ':'", 0),
        ("bob", "a scheme followed by ':'", 3),
        ("sip:", "a host name, an IPv4 address", 4),
        ("sip:@h", "a user before '@'", 4),
        ("sip:a b@h", "'@', or a character a user may hold", 5),
        ("sip:a%zz@h", "'@', or a character a user may hold", 5),
        ("<sip:a>", "a scheme followed by ':'", 0),
        ("sip:a@h:99999", "a port from 0 to 65535", 8),
        ("sip:a@[::1", "']' after an IPv6 address", 10),
        ("sip:a@[1::2::3]", "an IPv6 address inside '[' and ']'", 6),
        ("sip:a@-h", "a host name without stray '.' or '-'", 6),
        ("sip:a@1.2.3.999", "a host name, an IPv4 address", 6),
        ("sip:a@h/x", "';name=value', '?name=value' or the end", 7),
        ("sip:a@h?x", "';name=value', '?name=value' or the end", 7),
        ("sip:a@b@c", "';name=value', '?name=value' or the end", 7),
        ("tel:1 2", "visible characters, others escaped", 5),
    ],
)
def test_what_is_no_uri_says_where(text, expected, position):
    with pytest.raises(ParseError) as refusal:
        split_sip_uri(text)
    assert refusal.value.expected.startswith(expected)
    assert refusal.value.position == position


@pytest.mark.parametrize(
    "text",
    ["sip:a", "sip:Bob@Example.com:5061;lr?x=y", "sips:a;b@[::1]:1;c", "sip:1.2.3.4", "sip:%41@h"],
)
def test_parts_agree_with_uris(text):
    uri, parts = URI.parse(text), split_sip_uri(text)
    assert parts.scheme == uri.scheme
    assert parts.user == uri.username
    assert uri.address is not None
    assert parts.host == uri.address.lower()
    assert parts.port == uri.port
    assert parts.parameters == str(uri.parameters)
    assert parts.headers == str(uri.headers).lstrip("?")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<sip:a@b>;tag=1", "1"),
        ("Bob <sip:a@b>", None),
        ('"x;tag=9" <sip:a@b;tag=8>;a=b;TAG = 1 ', "1"),
        ('<sip:a>;tag="a b"', "a b"),
        ("sip:a@b;tag=1", "1"),
        ("<sip:a>;tag", ""),
        ("<sip:a>;tag=;tag=2", ""),
        ("<sip:a>;x=y;tag=1;z", "1"),
    ],
)
def test_the_tag_of_an_address(text, tag):
    assert address_tag(text) == tag


@pytest.mark.parametrize("text", ["", "<sip:a", '"x <sip:a>;tag=1', "a, <sip:a>;tag=1", "<a> b"])
def test_what_is_no_address_has_no_tag(text):
    with pytest.raises(ParseError, match="name and address"):
        address_tag(text)

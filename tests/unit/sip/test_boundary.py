"""Boundaries: where parts begin and end, to the octet (RFC 2046 §5.1.1)."""

import pytest

from sipparty.errors import ParseError
from sipparty.sip.boundary import choose_boundary, is_boundary, join_parts, occurs, split_parts


def refusal(data, boundary="b", most=9):
    with pytest.raises(ParseError) as caught:
        split_parts(data, boundary, most)
    assert caught.value.position is None or caught.value.position <= len(caught.value.text)
    return caught.value


@pytest.mark.parametrize(
    ("data", "pieces"),
    [
        (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
        (b"--b\r\none\r\n--b--", [b"one"]),
        (b"preamble\r\n--b\r\none\r\n--b--\r\nepilogue\r\n--b\r\nno more", [b"one"]),
        (b"\r\n--b\r\none\r\n--b--", [b"one"]),
        (b"--b \t \r\none\r\n--b\t\r\ntwo\r\n--b-- \t\r\n", [b"one", b"two"]),
        (b"--b\r\n\r\n--b--", [b""]),
        (b"--b\r\n\r\n\r\n--b--", [b"\r\n"]),
        # Octets of any kind, and what looks like a delimiter and is none.
        (b"--b\r\n\0\xff\r\r\n\n--b\n\r\n--b--", [b"\0\xff\r\r\n\n--b\n"]),
        (b"--b\r\nx--b\r\n --b\r\n--b--", [b"x--b\r\n --b"]),
        (b"--b\r\n\r\n--bc\r\n--b--c\r\n--b c\r\n--b--", [b"\r\n--bc\r\n--b--c\r\n--b c"]),
        (b"--bx\r\n--b\r\none\r\n--b--", [b"one"]),
    ],
)
def test_a_body_is_split_at_whole_lines_alone(data, pieces):
    assert split_parts(data, "b", 9) == pieces


@pytest.mark.parametrize(
    "boundary", ["--", "b--", "a b", "(x)'+_,-./:=?", "=" * 70, "*", "%d", "{0}"]
)
def test_any_boundary_will_do(boundary):
    data = join_parts([b"one", b"two"], boundary)
    assert split_parts(data, boundary, 9) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "a line '--b'"),
        (b"one", "a line '--b'"),
        (b"--b", "a line '--b--' at the end"),
        (b"--b\r\n", "a line '--b--' at the end"),
        (b"--b\r\none\r\n--b", "a line '--b--' at the end"),
        (b"--b\r\none--b--", "a line '--b--' at the end"),
        (b"--b\none\n--b--", "a line '--b'"),
        (b"--b--", "a part before the closing delimiter"),
        (b"preamble\r\n--b--\r\n--b\r\none\r\n--b--", "a part before the closing delimiter"),
        # The CRLF belongs to one delimiter or to the other.
        (b"--b\r\n--b--\r\n", "a line '--b--' at the end"),
    ],
)
def test_what_is_no_multipart_body_says_why(data, expected):
    error = refusal(data)
    assert (error.expected, error.what, error.status) == (expected, "multipart body", 400)


def test_there_may_be_so_many_parts_and_no_more():
    data = join_parts([b""] * 3, "b")
    assert split_parts(data, "b", 3) == [b""] * 3
    error = refusal(data, most=2)
    assert (error.expected, error.status) == ("at most 2 parts", 413)


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ("b", True, True),
        ("b" * 70, True, True),
        ("b" * 71, False, False),
        ("", False, False),
        ("a b", True, True),
        ("b ", False, False),
        ("*", True, False),
        ('"', True, False),
        ("ä", False, False),
        ("b\r\nX", False, False),
        ("b\n", False, False),
        ("\udcff", False, False),
    ],
)
def test_what_can_be_a_boundary(text, read, written):
    assert is_boundary(text, strict=False) is read
    assert is_boundary(text) is written


def test_a_boundary_occurs_within_a_line_and_in_a_longer_one():
    assert occurs("b", [b"a", b"x--b"])
    assert occurs("b", [b"--bcd"])
    assert not occurs("b", [b"b", b"-b", b"--a"])


def test_the_boundary_chosen_occurs_nowhere_and_is_the_same_each_time():
    pieces = [b"one", b"two"]
    boundary = choose_boundary(pieces)
    assert is_boundary(boundary)
    assert boundary == choose_boundary(list(pieces))
    assert len({boundary, choose_boundary([b"onetwo"]), choose_boundary([b"o", b"netwo"])}) == 3
    again = choose_boundary([*pieces, b"--" + boundary.encode()])
    assert again != boundary

"""The tree of errors: their texts can be shown, whatever of a message they quote."""

import pytest

from sipparty import errors
from sipparty.errors import CallRejected, ParseError, SIPPartyError, TransportError, printable

KINDS = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, SIPPartyError)
]


@pytest.mark.parametrize("text", ["", "plain", "é ü €", "a b"])
def test_what_can_be_printed_is_left_alone(text):
    assert printable(text) is text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\nb\t", r"a\r\nb\t"),
        ("\0\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202e\u2028", r"\u202e\u2028"),
        ("\udcff", r"\udcff"),
        ("'\"\\\x1b", r"""'"\\x1b"""),
    ],
)
def test_what_cannot_be_printed_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_of_an_error_speaks_to_a_terminal(kind):
    arguments = ("\x1b[2J", "\x1b") if issubclass(kind, ParseError) else ("\x1b[2J\nforged",)
    error = kind(*arguments)
    assert str(error).isprintable()
    assert f"{error}".isprintable()
    assert r"\x1b" in str(error)


def test_what_came_is_kept_as_it_came():
    error = CallRejected("It answered 486 \x1b.", 486, "\x1b")
    assert error.reason == "\x1b"
    assert str(TransportError("one", "two")) == "('one', 'two')"

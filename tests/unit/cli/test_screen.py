"""What the commands print cannot move the cursor, wherever it comes from."""

import pytest

from sipparty.cli.screen import Screen, safe

ESCAPES = "a\x1b[2J\x07\u202eb\udcff"


@pytest.mark.parametrize("say", ["line", "error"])
def test_what_is_printed_is_printable(capsys, say):
    getattr(Screen(lambda: 0.0), say)(ESCAPES)
    told = capsys.readouterr()
    for line in (told.out + told.err).splitlines():
        assert line.isprintable()
    assert r"a\x1b[2J\x07\u202eb\udcff" in told.out + told.err
    assert bool(told.err) == (say == "error")


def test_an_error_may_have_several_lines(capsys):
    Screen().error("one\ntwo")
    assert capsys.readouterr().err == "sipparty: one\ntwo\n"


def test_what_is_safe_is_one_line():
    assert safe(ESCAPES).isprintable()
    assert safe("x" * 200) == "x" * 117 + "..."

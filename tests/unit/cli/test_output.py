"""What the commands print cannot move the cursor, wherever it comes from, and is JSON if wanted."""

import io
import json

import pytest

from sipparty.cli.output import Output, safe

ESCAPES = "a\x1b[2J\x07\u202eb\udcff"


@pytest.mark.parametrize("json_wanted", [False, True])
@pytest.mark.parametrize("say", ["event", "error", "text", "note", "pairs", "table"])
def test_what_is_printed_is_printable(capsys, say, json_wanted):
    arguments = {
        "event": ("happened", ESCAPES),
        "pairs": ([(ESCAPES, ESCAPES)],),
        "table": ([ESCAPES], [[ESCAPES]]),
    }
    getattr(Output(json_wanted), say)(*arguments.get(say, (ESCAPES,)))
    told = capsys.readouterr()
    for line in (told.out + told.err).splitlines():
        assert line.isprintable()
    if not json_wanted:
        assert r"a\x1b[2J\x07\u202eb\udcff" in told.out + told.err
    assert bool(told.err) == (say in ("error", "note"))


def test_an_error_may_have_several_lines(capsys):
    Output().error("one\ntwo")
    assert capsys.readouterr().err == "sipparty: one\ntwo\n"


def test_json_is_an_object_a_line_and_nothing_else(capsys):
    out = Output(json=True)
    out.text("for people")
    out.title("for people")
    out.ansi("for people")
    out.event("answered", "for people", call="1@a", when=None)
    out.error("it failed", exit=1)
    out.result(exit=1)
    told = capsys.readouterr()
    answered, error, result = map(json.loads, told.out.splitlines())
    assert (answered["event"], answered["call"], answered["when"]) == ("answered", "1@a", None)
    assert answered["time"] > 1e9
    assert error == {"event": "error", "message": "it failed", "exit": 1}
    assert result == {"event": "result", "exit": 1}
    assert told.err == "sipparty: it failed\n"


def test_a_pipe_gets_each_line_whole(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    Output().text("word " * 100)
    assert capsys.readouterr().out == "word " * 100 + "\n"


def test_a_table_is_aligned(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    Output().table(("name", "count"), [("a", 5), ("longer", 10)])
    assert capsys.readouterr().out == "name    count\na           5\nlonger     10\n"


def test_a_table_that_is_too_wide_is_printed_row_by_row(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    Output().table(("name", "a long heading"), [("some name", 5)])
    assert capsys.readouterr().out == "\nname\n  some name\na long heading\n  5\n"


def test_what_the_encoding_cannot_show_is_escaped(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    out = Output()
    assert not out.unicode
    out.text("Zo\xeb, RFC 3261 §13")
    assert written.getvalue() == rb"Zo\xeb, RFC 3261 sec. 13" + b"\n"


def test_what_is_safe_is_one_line():
    assert safe(ESCAPES).isprintable()
    assert safe("x" * 200) == "x" * 117 + "..."

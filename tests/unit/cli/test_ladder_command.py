"""`sipparty ladder`: captures and traces, listed and drawn."""

import json

import pytest
from typer.testing import CliRunner

from sipparty.cli.app import app
from sipparty.trace import NoteRecord, WireRecord, write_jsonl, write_pcap

ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def message(time, start, call, method, *, back=False):
    head = f"Call-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n"
    ends = (BOB, ALICE) if back else (ALICE, BOB)
    return WireRecord(time, "sent", "UDP", *ends, f"{start}\r\n{head}".encode())


RECORDS = [
    message(1.0, "INVITE sip:bob@biloxi.com SIP/2.0", "one", "INVITE"),
    message(1.5, "SIP/2.0 486 Busy Here", "one", "INVITE", back=True),
    message(1.6, "ACK sip:bob@biloxi.com SIP/2.0", "one", "ACK"),
    message(2.0, "OPTIONS sip:bob@biloxi.com SIP/2.0", "two", "OPTIONS"),
    message(2.1, "SIP/2.0 200 OK", "two", "OPTIONS", back=True),
]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "calls.pcapng"
    write_pcap(path, RECORDS)
    return path


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_capture_is_drawn_with_the_names_given(capture):
    result = run("ladder", capture, "--name", "10.0.0.1=alice", "--name", "10.0.0.2:5060=pbx")
    assert result.exit_code == 0, result.stderr
    first, *rows = result.stdout.splitlines()
    assert first.split() == ["alice", "pbx"]
    assert "INVITE" in rows[0]
    assert "486 Busy Here" in rows[1]


def test_the_calls_are_listed(capture):
    result = run("ladder", capture, "--list", "--json")
    one, two = map(json.loads, result.stdout.splitlines())
    assert (one["call_id"], one["method"], one["result"]) == ("one", "INVITE", "486 Busy Here")
    assert (two["number"], two["records"], two["result"]) == (2, 2, "200 OK")
    assert "486 Busy Here" in run("ladder", capture, "--list").stdout


@pytest.mark.parametrize("call", ["2", "two", "tw"])
def test_one_call_alone(capture, call):
    result = run("ladder", capture, "--call", call)
    assert "OPTIONS" in result.stdout
    assert "INVITE" not in result.stdout


@pytest.mark.parametrize(
    ("file", "start"), [("a.html", "<!"), ("a.svg", "<svg"), ("a.txt", " "), ("a.mmd", "sequ")]
)
def test_what_is_written_follows_from_the_suffix(capture, tmp_path, file, start):
    result = run("ladder", capture, "-o", tmp_path / file)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / file).read_text().startswith(start)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([file, capture.name])


def test_a_trace_of_json_lines_is_drawn_too(tmp_path):
    path = tmp_path / "trace.jsonl"
    write_jsonl(path, [*RECORDS, NoteRecord(3.0, "two", "all is well")])
    assert "all is well" in run("ladder", path).stdout


def test_a_capture_cut_short_is_drawn_as_far_as_it_goes_and_that_is_said(capture, tmp_path):
    whole = capture.read_bytes()
    capture.write_bytes(whole[:-10])
    result = run("ladder", capture, "-o", tmp_path / "a.html")
    assert result.exit_code == 0
    assert "cut short" in result.stderr
    page = (tmp_path / "a.html").read_text()
    assert "cut short" in page
    assert "486 Busy Here" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.pcap"], "There is no file"),
        (["{capture}", "-c", "three"], "There is no call 'three'"),
        (["{capture}", "--name", "10.0.0.1"], "10.0.0.1=pbx"),
        (["{capture}", "-o", "a.pdf"], "none of the suffixes .html, .svg"),
        (["{other}"], "capture"),
        (["{empty}"], "neither SIP nor a trace"),
    ],
)
def test_what_cannot_be_is_said(capture, tmp_path, arguments, words):
    (tmp_path / "other").write_text("no capture at all")
    write_pcap(tmp_path / "empty.pcapng", [])
    places = {"capture": capture, "other": tmp_path / "other", "empty": tmp_path / "empty.pcapng"}
    result = run("ladder", *[each.format(**places) for each in arguments])
    assert result.exit_code == 2
    assert words in result.stderr

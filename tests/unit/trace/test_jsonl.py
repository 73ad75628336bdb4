import io
import json

import pytest

from sipparty.errors import ParseError
from sipparty.trace import (
    JSONLinesWriter,
    KeyRecord,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    Wire,
    WireRecord,
    as_json,
    from_json,
    read_jsonl,
    write_jsonl,
)

A, B = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
OPTIONS = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nCall-ID: c\r\n\r\n"
STATE = StateRecord(1.0, "X1", "X", "c", "A", "go", "B", True, (("timer_B", 32.0),), A)
RECORDS = [
    WireRecord(1.5, "sent", "UDP", A, B, OPTIONS),
    WireRecord(1.5, "received", "TCP", A, B, b"\xff\x00\xc3"),
    STATE,
    StateRecord(1.0, "X1", "X", "", "A", "go", "A"),
    MediaRecord(1.0, A, B, 2, 3, 1, "PCMU", 5.5, "c"),
    MediaRecord(1.0, A, B),
    KeyRecord(1.0, A, B, "c", "#", "sent", 0.1),
    QualityRecord(1.0, A, B, "c", 4.4, 0.5, 0.01, None),
    NoteRecord(1.0, "", "a remark \u202e \x1b[31m"),
    NoteRecord(1.0, "\udcff", "a call whose name is no text", A),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_comes_back(record):
    line = as_json(record, masked=False)
    assert line.isascii()
    assert "\n" not in line
    assert "\x1b" not in line
    assert from_json(line) == from_json(line.encode()) == record


def test_it_says_what_it_is():
    assert json.loads(as_json(STATE)) == {
        "record": "state",
        "time": 1.0,
        "machine": "X1",
        "kind": "X",
        "call_id": "c",
        "old": "A",
        "input": "go",
        "new": "B",
        "timer": True,
        "local": ["10.0.0.1", 5060],
        "armed": [["timer_B", 32.0]],
    }
    assert json.loads(as_json(RECORDS[1]))["data_base64"] == "/wDD"


def test_secrets_are_masked_by_default():
    data = b'BYE sip:b SIP/2.0\r\nAuthorization: Digest nonce="n", response="5ec2e7"\r\n\r\n'
    record = WireRecord(1.0, "sent", "UDP", A, B, data)
    assert "5ec2e7" not in as_json(record)
    assert "5ec2e7" in as_json(record, masked=False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "JSON object"),
        ("{", "JSON object"),
        (b"\xff", "JSON object"),
        ("7", '"record" is message'),
        ("[]", '"record" is message'),
        ("{}", '"record" is message'),
        ('{"record": ["note"]}', '"record" is message'),
        ('{"record": "nothing"}', '"record" is message'),
        ('{"record": "note"}', "note to have time, call_id, text"),
        ('{"record": "note", "time": "1", "call_id": "", "text": ""}', "'time' to be a number"),
        ('{"record": "note", "time": NaN, "call_id": "", "text": ""}', "'time' to be a number"),
        ('{"record": "note", "time": 1' + "0" * 400 + "}", "'time' to be a number"),
        ('{"record": "note", "time": true, "call_id": "", "text": ""}', "'time' to be a number"),
        ('{"record": "note", "time": 1, "call_id": 5, "text": ""}', "'call_id' to be a text"),
        ('{"record": "note", "time": 1, "call_id": "", "colour": ""}', "no field 'colour'"),
        ('{"record": "note", "local": "here"}', "'local' to be an address"),
        ('{"record": "note", "local": ["here", 1.5]}', "'local' to be a whole number"),
        ('{"record": "key", "direction": "up"}', '"sent" or "received"'),
        ('{"record": "state", "timer": 1}', "true or false"),
        ('{"record": "state", "armed": [["x"]]}', "timers, such as"),
        ('{"record": "message", "data_base64": "*"}', "base64"),
        ('{"record": "message", "data_base64": 7}', "base64"),
        ('{"record": "message", "data": "\\ud800"}', "'data' to be"),
        ("[" * 100_000, "fewer objects|JSON object"),
    ],
)
def test_what_is_no_record_is_refused_in_words(line, expected):
    with pytest.raises(ParseError, match=expected):
        from_json(line)


def test_a_file_is_written_and_read(tmp_path):
    path = tmp_path / "call.jsonl"
    write_jsonl(path, RECORDS, masked=False)
    assert read_jsonl(path) == RECORDS


def test_a_file_that_still_grows_is_read_to_its_last_whole_line(tmp_path):
    path = tmp_path / "call.jsonl"
    whole = "".join(as_json(one) + "\n" for one in RECORDS[2:])
    path.write_text(whole + "\n" + as_json(RECORDS[0])[:-5])
    assert read_jsonl(path) == RECORDS[2:]
    path.write_text(whole + as_json(RECORDS[2]))
    assert len(read_jsonl(path)) == len(RECORDS[2:]) + 1


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "call.jsonl"
    path.write_text(as_json(STATE) + "\n{}\n")
    with pytest.raises(ParseError, match=r"line 2 of .*call\.jsonl"):
        read_jsonl(path)


def test_the_writer_is_a_tap_whose_file_is_whole_after_each_record(tmp_path):
    path, wire = tmp_path / "call.jsonl", Wire(taps=())
    with JSONLinesWriter(path) as writer, wire.tapped(writer):
        wire.sent(OPTIONS, A, B, "UDP", 1.5)
        assert read_jsonl(path) == RECORDS[:1]
    file = io.StringIO()
    with JSONLinesWriter(file) as writer:
        writer(STATE)
    assert from_json(file.getvalue()) == STATE

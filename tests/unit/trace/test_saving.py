import pytest

from sipparty.errors import UsageError
from sipparty.trace import NoteRecord, Trace, Wire, WireRecord, read_jsonl
from sipparty.trace.capture_file import CaptureFile
from sipparty.trace.packets import PacketRecord

A, B = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


class Engine:
    """As much of an engine as a trace needs that is never begun."""

    wire = Wire(taps=())
    core = None


@pytest.fixture
def trace():
    made = Trace(Engine())
    for call in ("one", "two"):
        data = f"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        made._keep(WireRecord(1.5, "sent", "UDP", A, B, data.encode()))
    made._keep(NoteRecord(2.0, "two", "a remark \udcff"))
    return made


@pytest.mark.parametrize(
    ("name", "begin"),
    [("x.txt", " "), ("x.SVG", "<svg"), ("x.html", "<!doctype html"), ("x.jsonl", '{"record"')],
)
def test_the_name_says_what_is_written(trace, tmp_path, name, begin):
    path = trace.save(tmp_path / name)
    assert path == tmp_path / name
    assert path.read_text().lower().startswith(begin)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_one_call_of_several(trace, tmp_path):
    assert len(read_jsonl(trace.save(tmp_path / "all.jsonl"))) == 3
    assert len(read_jsonl(trace.save(str(tmp_path / "two.jsonl"), "two"))) == 2
    assert "Call-ID" not in trace.save(tmp_path / "one.txt", "one").read_text()


def test_a_capture_of_one_call_has_its_packets(trace, tmp_path):
    ends = ("10.0.0.1", 4000), ("10.0.0.2", 4002)
    for call in ("one", "two"):
        trace.packets.append(PacketRecord(1.6, "sent", "RTP", *ends, b"\x80" + call.encode(), call))
    frames = list(CaptureFile(trace.save(tmp_path / "two.pcapng", "two").read_bytes()))
    assert [b"Call-ID: two" in one.data for one in frames] == [True, False]
    assert frames[1].data.endswith(b"\x80two")
    assert len(list(CaptureFile(trace.save(tmp_path / "x.pcapng").read_bytes()))) == 4


@pytest.mark.parametrize("name", ["x", "x.pdf", "jsonl"])
def test_another_name_is_refused_with_those_that_there_are(trace, tmp_path, name):
    with pytest.raises(UsageError, match=r"\.txt, \.svg, \.html, \.jsonl, \.pcapng"):
        trace.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_fails_leaves_what_was_there(trace, tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_text("before")

    def fail(*_, **__):
        raise RuntimeError("no")

    monkeypatch.setattr("sipparty.trace.ladder.Ladder.text", fail)
    with pytest.raises(RuntimeError):
        trace.save(path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]
    with pytest.raises(OSError, match="nowhere"):
        trace.save(tmp_path / "nowhere" / "x.jsonl")

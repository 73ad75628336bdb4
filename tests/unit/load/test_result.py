"""Results as text, JSON and a page."""

import json
from xml.etree import ElementTree

import pytest

from sipparty.errors import UsageError
from sipparty.load import LoadResult, Pacing, Statistics, Threshold
from sipparty.load.course import Course
from sipparty.load.share import Share


@pytest.fixture
def result():
    statistics, course = Statistics(), Course()
    for second in range(1, 5):
        statistics = Statistics.total([statistics])
        statistics.begun += 10
        statistics.succeeded += 9
        statistics.fail("answer: 486 <b>Busy</b>")
        for number in range(9):
            statistics.step("answer").add(0.01 * (number + 1))
        statistics.counts["retransmitted"] += 1
        course.sample(second, statistics)
    statistics.seconds = statistics.pacing = 4.0
    statistics.cpu = 0.04
    share = Share("<script>.py", "10.0.0.2", Pacing(10, calls=40), count=2)
    thresholds = [Threshold.parse("failed < 5%"), Threshold.parse("answer.p95 < 200ms")]
    return LoadResult(share, "<script>.py", statistics, course, thresholds, ["A <remark>."])


def test_text(result):
    lines = str(result).splitlines()
    assert lines[0] == "<script>.py to 10.0.0.2, 2 processes"
    assert "  calls     40: 36 succeeded (90 %), 4 failed, 0 lost" in lines
    assert "         4  answer: 486 <b>Busy</b>" in lines
    assert "  FAILED  failed < 5%  (10 %)" in lines
    assert "  passed  answer.p95 < 200ms  (90 ms)" in lines
    assert lines[-1] == "  A <remark>."
    assert max(map(len, lines)) <= 80


def test_json(result, tmp_path):
    found = json.loads(result.save(tmp_path / "load.json").read_text())
    assert found["calls"]["succeeded"] == 36
    assert found["steps"]["answer"]["count"] == 36
    assert found["steps"]["answer"]["p50"] == pytest.approx(0.05, rel=1 / 64)
    assert found["thresholds"][0] == {
        "threshold": "failed < 5%",
        "passed": False,
        "value": 10.0,
        "text": "10 %",
    }
    assert [row["second"] for row in found["course"]] == [1, 2, 3, 4]


def test_page(result, tmp_path):
    text = result.save(tmp_path / "load.html").read_text()
    assert "<script>" not in text
    assert "<b>Busy" not in text
    assert "486 &lt;b&gt;Busy&lt;/b&gt;" in text
    plots = text.split("<svg")[1:]
    assert len(plots) == 5
    for plot in plots:
        ElementTree.fromstring("<svg" + plot.partition("</svg>")[0] + "</svg>")
        assert "currentColor" in plot
    names = [rest.partition('"')[0] for rest in text.split('id="')[1:]]
    assert len(names) == len(set(names))
    assert [path.name for path in tmp_path.iterdir()] == ["load.html"]


@pytest.mark.parametrize("suffix", [".html", ".json", ".txt"])
def test_the_password_of_the_target_is_masked(tmp_path, suffix):
    share = Share("x.py", "sip:bob:5ec2e7@biloxi.com", Pacing(10, calls=40))
    path = tmp_path / f"report{suffix}"
    LoadResult(share, "x.py", Statistics(), Course(), [], []).save(path)
    assert "sip:bob:***@biloxi.com" in path.read_text("utf-8")
    assert "5ec2e7" not in path.read_text("utf-8")


def test_of_no_calls_at_all_there_is_a_report(tmp_path):
    share = Share("x.py", "", Pacing(10, calls=40))
    empty = LoadResult(share, "x.py", Statistics(), Course(), [], [])
    for suffix in ("html", "json", "txt"):
        assert empty.save(tmp_path / f"load.{suffix}").stat().st_size


def test_another_suffix_is_refused(result, tmp_path):
    with pytest.raises(UsageError, match=r"'load\.pdf' says by its suffix"):
        result.save(tmp_path / "load.pdf")


def test_nothing_is_half_written(result, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        result.save(tmp_path / "nowhere" / "load.json")
    (tmp_path / "load.json").mkdir()
    with pytest.raises(IsADirectoryError):
        result.save(tmp_path / "load.json")
    assert [path.name for path in tmp_path.iterdir()] == ["load.json"]

"""The graphs of quality."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from sipparty.live.graphs import quality_svg
from sipparty.trace.records import QualityRecord

from .records import ALICE, BOB, quality


def test_nothing_is_drawn_of_nothing() -> None:
    assert quality_svg([]) == ""


def test_each_value_has_a_curve() -> None:
    picture = quality_svg([quality(1.0), quality(2.0, 3.1)])
    root = ElementTree.fromstring(picture)
    texts = [one.text for one in root.iter() if one.tag.endswith("text")]
    assert texts[:3] == ["MOS", "5", "3.1"]
    assert {"loss", "2.0 %", "jitter", "4.0 ms", "round trip", "30.0 ms"} <= set(texts)
    assert picture.count("<polyline") == 4


def test_what_is_not_known_is_not_drawn() -> None:
    assert ">MOS<" not in quality_svg([quality(1.0, None)])


def test_each_end_has_its_curve() -> None:
    other = QualityRecord(1.0, ("<b>\x1b", 5), BOB, "call-1", 2.0)
    picture = quality_svg([quality(0.0), other])
    ElementTree.fromstring(picture)
    assert "as 10.0.0.1:5060 hears it" in picture
    assert "as alice hears it" in quality_svg([quality(0.0), other], {ALICE: "alice"})
    assert picture.count("stroke-dasharray") == 4 + 3 + 2
    assert "<b>" not in picture


def test_values_out_of_bounds_do_no_harm() -> None:
    records = [quality(0.0, mos) for mos in (math.nan, math.inf, -1e300, 1e300, -3.0)]
    picture = quality_svg(records)
    ElementTree.fromstring(picture)
    assert "nan" not in picture
    assert "inf" not in picture

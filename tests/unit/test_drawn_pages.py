"""What the site draws: every measured column of the benchmarks, every machine of the library."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(DOCS))
    try:
        import machines
        import plots

        yield plots, machines
    finally:
        sys.path.remove(str(DOCS))


TABLE = """Before.

| library | CPU µs/call | ÷ sipparty | failed | most calls/s |
| --- | ---: | ---: | ---: | ---: |
| **sipparty** | 408 | 1.00 | 0 | ≥ 5,869 |
| other 0.7 <b> | 1,340 | 3.28 | 0 | - |
| another | -1,619.5 | 2.00 | 0 | 766 |
| split and join (the floor) | 1 | 0.01 | 0 | 99,999 |

After.
"""


def svgs(text):
    return [ElementTree.fromstring(found) for found in re.findall(r"(?s)<svg.*?</svg>", text)]


def test_a_plot_has_the_bars_of_a_column_as_the_table_says_them(tools):
    text = tools[0].drawn(TABLE)
    one, other = ["".join(picture.itertext()) for picture in svgs(text)]
    for word in ("CPU µs/call", "sipparty", "408", "other 0.7 <b>", "1,340", "-1,619.5"):
        assert word in one
    assert "the floor" not in one
    assert "≥ 5,869" in other
    assert "other 0.7" not in other
    assert text.startswith('Before.\n\n<div class="plots">\n<svg')
    assert text.endswith(TABLE[len("Before.\n\n") :])


def test_a_plot_takes_its_colours_from_the_page(tools):
    text = tools[0].plot("calls/s", [("sipparty", "2"), ("other", "1")])
    for colour in ("currentColor", "var(--plot-own)", "var(--plot-other)"):
        assert colour in text
    assert "#01" not in text
    assert "\n\n" not in text  # which would end the HTML in a Markdown page
    assert text == tools[0].plot("calls/s", [("sipparty", "2"), ("other", "1")])


@pytest.mark.parametrize(
    ("cell", "value"),
    [("5,869", 5869), ("≥ 24,656", 24656), ("-1,619.1", -1619.1), ("0.00", 0), ("-", None)],
)
def test_a_number_is_read_from_a_cell(tools, cell, value):
    assert tools[0].number(cell) == value


def test_the_benchmarks_have_plots(tools):
    text = (DOCS / "benchmarks.md").read_text()
    assert len(svgs(tools[0].drawn(text))) >= text.count("\n## ")


def test_every_machine_is_on_its_page_and_drawn(tools):
    page = (DOCS / "topics" / "machines.md").read_text()
    listed = tools[1].listed(page)
    assert sorted(listed) == sorted(tools[1].machines())
    text = tools[1].drawn(page)
    titles = [picture.findtext("{http://www.w3.org/2000/svg}title") for picture in svgs(text)]
    assert titles == listed
    assert "\n### InviteClientTransaction\n\nAn INVITE of ours" in text

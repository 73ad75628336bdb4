"""The pages of the documentation site: all are there, each is in the sidebar, links lead on."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import pages

        yield pages
    finally:
        sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def files(tool):
    with pytest.MonkeyPatch.context() as patch:
        # Their own tests draw them (test_drawn_pages.py).
        patch.setattr(tool.plots, "plot", lambda title, bars: "<svg></svg>")
        return tool.build()


def test_every_page_of_the_repository_is_in_the_site(files):
    docs = ROOT / "docs"
    for path in [*docs.rglob("*.md"), *docs.rglob("*.ipynb")]:
        assert path.relative_to(docs).as_posix() in files
    assert {"changelog.md", "contributing.md", "examples/first_call.md"} <= files.keys()
    assert "reference/sipparty.party.md" in files


def test_the_sidebar_has_every_page_by_its_heading(files):
    trees = re.findall(r"```\{toctree\}\n(.*?)```", files["index.md"], re.DOTALL)
    captions = [re.search(":caption: (.*)", tree)[1] for tree in trees]
    assert captions[0] == "Begin"
    assert captions[-1] == "Reference"
    places = re.findall(r"</([\w./-]+)>", "\n".join(trees))
    assert len(places) == len(set(places))
    inside = {p for p in files if "/" in p and p.split("/")[0] in ("howto", "topics", "tutorial")}
    assert inside <= set(places)


def test_links_are_led_to_where_pages_are_in_the_site(tool):
    known = {
        "docs/howto/a.md": "howto/a.md",
        "docs/topics/b.md": "topics/b.md",
        "examples": "examples/index.md",
        "examples/x.py": "examples/x.md",
        "CONTRIBUTING.md": "contributing.md",
    }
    text = (
        "[b](../topics/b.md#there) [all](../../examples) [one](../../examples/x.py)\n"
        "[how](../../CONTRIBUTING.md) [here](#x) [out](https://example.com/) [no](../gone.md)\n"
        "```text\n[in](../../examples/x.py)\n```\n"
    )
    assert tool._relinked(text, "docs/howto/a.md", known) == (
        "[b](../topics/b.md#there) [all](../examples/index.md) [one](../examples/x.md)\n"
        "[how](../contributing.md) [here](#x) [out](https://example.com/) [no](../gone.md)\n"
        "```text\n[in](../../examples/x.py)\n```\n"
    )


def test_links_of_a_notebook_are_led_as_well(files):
    cells = json.loads(files["tutorial/01-first-calls.ipynb"])["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert "../examples/index.md" in prose or "../examples" not in prose


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("## Begin\n* [a](a.md)\n", "does not link to b.md"),
        ("## Begin\n* [a](a.md)\n* [b](b.md)\n* [c](c.md)\n", "links to c.md, which is no page"),
        ("## Begin\n* [a](a.md)\n* [b](b.md)\n* [a](a.md#x)\n", "links twice to a.md"),
    ],
)
def test_an_index_that_is_wrong_is_an_error(tool, index, problem):
    with pytest.raises(tool.PagesError, match=problem):
        tool._check(tool.contents(index), dict.fromkeys(["a.md", "b.md", "index.md"], ""))


def test_pages_are_written_and_old_ones_go(tool, files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "build", lambda: files)
    (tmp_path / "old.md").write_text("old")
    monkeypatch.setattr("sys.argv", ["pages.py", str(tmp_path)])
    tool.main()
    assert not (tmp_path / "old.md").exists()
    before = (tmp_path / "index.md").stat().st_mtime_ns
    tool.main()
    assert (tmp_path / "index.md").stat().st_mtime_ns == before
    assert f"{len(files)} files" in capsys.readouterr().out

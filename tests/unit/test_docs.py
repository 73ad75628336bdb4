"""The documentation is true: its code runs, its links lead somewhere. And no file is too long.

A block fenced as ``python`` is executed: the blocks of a page in order, in one namespace, in a
fresh interpreter and an empty folder, with warnings as errors. One fenced as ``python no-run`` is
compiled only.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LINKED = [*PAGES, *sorted(ROOT.glob("*.md"))]

#: A file longer than this is two.
LONGEST = 500

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<info>[^`\n]*)$")
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE)
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)

RUNNER = """
import json, sys
blocks = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
for line, source, path in blocks:
    # Blank lines before it, so that a traceback names the line of the page.
    exec(compile("\\n" * line + source, path, "exec"), namespace)
"""


def split(text):
    """The fenced blocks of a page, (line before the first, info, source), and the page without."""
    blocks, prose = [], []
    opened = None
    for number, line in enumerate(text.split("\n"), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened = (number, fence, [])
            else:
                prose.append(line)
            continue
        start, begin, lines = opened
        mark = begin["fence"]
        if fence and fence["fence"].startswith(mark) and not fence["info"].strip():
            blocks.append((start, begin["info"].strip(), "\n".join(lines) + "\n"))
            opened = None
        else:
            lines.append(line.removeprefix(begin["indent"]))
    assert opened is None, f"The block that begins at line {opened[0]} does not end."
    return blocks, "\n".join(prose)


def python_blocks(text):
    """The blocks to run and those to compile only."""
    run, compile_only = [], []
    for line, info, source in split(text)[0]:
        words = info.split()
        if words[:1] == ["python"]:
            assert words[1:] in ([], ["no-run"]), f"line {line}: what is {info!r}?"
            (compile_only if "no-run" in words else run).append((line, source))
    return run, compile_only


def slugs(text):
    """The anchors of a page's headings."""
    made = {}
    names = set()
    for heading in HEADING.findall(split(text)[1]):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = made[slug] = made.get(slug, -1) + 1
        names.add(slug if count == 0 else f"{slug}-{count}")
    return names


def dead_links(page):
    """The relative links of a page that lead nowhere."""
    prose = re.sub(r"`[^`\n]*`", "", split(page.read_text())[1])
    dead = []
    for link in LINK.findall(prose) + REFERENCE.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", link) or link.startswith("//"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.exists()
        if there and anchor and target.suffix == ".md":
            there = anchor in slugs(target.read_text())
        if not there:
            dead.append(link)
    return dead


def execute(blocks, folder, path="page.md"):
    sent = json.dumps([(line, source, str(path)) for line, source in blocks])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=sent,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )


def named(paths):
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("page", named(PAGES))
def test_the_code_of_a_page_runs(page, tmp_path):
    run, compile_only = python_blocks(page.read_text())
    for line, source in compile_only:
        compile("\n" * line + source, str(page), "exec")
    if run:
        done = execute(run, tmp_path, page)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", named(LINKED))
def test_links_lead_somewhere(page):
    assert dead_links(page) == []


def test_the_index_has_every_page():
    """Its lists are the sidebar of the site (docs/pages.py): one line for each page."""
    index = ROOT / "docs" / "index.md"
    linked = [link.partition("#")[0] for link in LINK.findall(split(index.read_text())[1])]
    there = [*PAGES, *(ROOT / "docs").rglob("*.ipynb")]
    wanted = sorted(str(p.relative_to(index.parent)) for p in there if p != index)
    assert sorted(link for link in linked if not link.startswith("..")) == wanted


def test_no_file_is_too_long():
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert files
    assert long == {}


# The scanner itself.

PAGE = """# One `two`: three
[good](other.md#there) [bad](nowhere.md) ![bad](pic.png "title") [out](https://example.com/)
[anchor](#one-two-three) [bad anchor](#four) [other](other.md#here) `[code](no.md)`
[ref]: missing.md

```python
x = 1
[not](a-link.md)
```

- a list:

  ```python no-run
  y = undefined
  ```

````text
```python
z = 3
```
````
"""


def test_blocks_are_told_apart():
    run, compile_only = python_blocks(PAGE)
    assert run == [(6, "x = 1\n[not](a-link.md)\n")]
    assert compile_only == [(13, "y = undefined\n")]


def test_a_block_that_does_not_end_is_found():
    with pytest.raises(AssertionError, match="begins at line 2"):
        split("text\n```python\nx = 1\n")


def test_a_fence_of_an_unknown_kind_is_found():
    with pytest.raises(AssertionError, match="skip"):
        python_blocks("```python skip\n```")


def test_dead_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    (tmp_path / "other.md").write_text("## There\n")
    assert dead_links(page) == ["nowhere.md", "pic.png", "#four", "other.md#here", "missing.md"]


def test_blocks_share_a_namespace_and_errors_name_the_line(tmp_path):
    assert execute([(1, "x = 1\n"), (5, "assert x == 1\n")], tmp_path).returncode == 0
    done = execute([(1, "x = 1\n"), (9, "assert x == 2\n")], tmp_path)
    assert done.returncode != 0
    assert 'page.md", line 10' in done.stderr
    warned = execute([(1, "import warnings; warnings.warn('old', stacklevel=1)\n")], tmp_path)
    assert "UserWarning: old" in warned.stderr

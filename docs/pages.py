"""Gather what the documentation site is made of into one folder, for Sphinx to build.

    python docs/pages.py [folder]           build/docs-source by default

1. A page is the Markdown file or notebook that it is in the repository; nothing is said twice.
2. `docs/index.md` is the table of contents: what a list under one of its headings links to is, in
   that order and by that name, in the sidebar under that heading. A page that it does not link to
   is an error (`PagesError`).
3. A link leads in the site where it leads in the repository.
4. What a source can say is not written by hand: the reference (`reference.py`), the scripts of
   `examples`, the plots of `benchmarks.md` (`plots.py`), the pictures of machines (`machines.py`).

| in the repository | in the site |
| --- | --- |
| `docs/**/*.md`, `*.ipynb`, pictures | the same path under the root |
| `CHANGELOG.md`, `CONTRIBUTING.md` | `changelog.md`, `contributing.md` |
| `README.md` | `index.md` |
| `examples/*.py` | `examples/*.md`, each with its source |
| docstrings | `reference/*.md` |
"""

from __future__ import annotations

import ast
import json
import os
import posixpath
import re
import sys
from collections.abc import Callable
from pathlib import Path

import machines
import plots
import reference

__all__ = ["Contents", "PagesError", "build", "contents", "main", "write"]

ROOT = Path(__file__).parents[1]

#: Files outside of `docs` that have a page.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}

#: What pages show beside their text.
PICTURES = (".png", ".svg")

_FENCE = re.compile(r"^ *(```+|~~~+)")
_HEADING = re.compile(r"^#{2,3} +(.+)$")
_LINK = re.compile(r"(?P<text>\[(?:[^\]\[]|\[[^\]]*\])*\])\((?P<to>[^)\s]+)\)")

#: Headings with the pages under each: their names and their paths in the site.
Contents = dict[str, list[tuple[str, str]]]


class PagesError(Exception):
    """The pages do not make a site; the message says which one and why."""


def places() -> dict[str, str]:
    """Return where each file of the repository is in the site."""
    found = dict(OUTSIDE)
    docs = ROOT / "docs"
    for path in sorted(docs.rglob("*")):
        inside = path.relative_to(docs)
        if path.suffix in (".md", ".ipynb", *PICTURES) and inside.parts[0][0] != "_":
            found[f"docs/{inside.as_posix()}"] = inside.as_posix()
    for path in sorted((ROOT / "examples").glob("*.py")):
        found[f"examples/{path.name}"] = f"examples/{path.stem}.md"
    found["examples"] = "examples/index.md"
    return found


# ---------------------------------------------------------------- links


def _prose(text: str, change: Callable[[str], str]) -> str:
    """Change the lines of a page that are not inside of a fenced block."""
    lines, mark = [], ""
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if mark:
            mark = "" if fence and line.strip().strip(mark[0]) == "" and fence[1] >= mark else mark
            lines.append(line)
        elif fence:
            mark = fence[1]
            lines.append(line)
        else:
            lines.append(change(line))
    return "\n".join(lines)


def _relinked(text: str, source: str, known: dict[str, str]) -> str:
    """Lead the links of a page to where their targets are in the site."""
    here = posixpath.dirname(known[source])

    def lead(match: re.Match[str]) -> str:
        path, mark, anchor = match["to"].partition("#")
        if not path or re.match(r"[a-z][a-z0-9+.-]*:", path):
            return match[0]
        there = known.get(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if there is None:
            return match[0]  # Sphinx warns of it
        return f"{match['text']}({posixpath.relpath(there, here or '.')}{mark}{anchor})"

    return _prose(text, lambda line: _LINK.sub(lead, line))


def _notebook(text: str, source: str, known: dict[str, str]) -> str:
    content = json.loads(text)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _relinked("".join(cell["source"]), source, known)
    return json.dumps(content)


# ---------------------------------------------------------------- the table of contents


def contents(index: str) -> Contents:
    """Return what the lists of an index link to, by their headings."""
    found: Contents = {}
    heading = ""
    for line in index.split("\n"):
        if match := _HEADING.match(line):
            heading = match[1]
        for text, to in _LINK.findall(line):
            path = to.partition("#")[0]
            if heading and path.endswith((".md", ".ipynb")):
                found.setdefault(heading, []).append((text[1:-1], path))
    return found


def _check(found: Contents, pages: dict[str, str]) -> None:
    linked = [path for pairs in found.values() for _, path in pairs]
    wanted = {path for path in pages if path.endswith((".md", ".ipynb"))} - {"index.md"}
    wanted = {path for path in wanted if not path.startswith(("reference/", "examples/"))}
    problems = [
        f"docs/index.md links to {path}, which is no page."
        for path in sorted({*linked} - pages.keys())
    ]
    problems += [f"docs/index.md does not link to {path}." for path in sorted(wanted - {*linked})]
    problems += [
        f"docs/index.md links twice to {path}."
        for path in sorted({*linked})
        if linked.count(path) > 1
    ]
    if problems:
        raise PagesError("\n".join(problems))


def _toctree(entries: list[str], **options: str) -> str:
    lines = [f":{name}: {value}".rstrip() for name, value in options.items()]
    return "\n".join(["", "```{toctree}", *lines, "", *entries, "```", ""])


# ---------------------------------------------------------------- pages made from sources


def _examples() -> dict[str, str]:
    pages = {}
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        docstring = ast.get_docstring(tree) or ""
        rest = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip("\n")
        pages[f"examples/{path.stem}.md"] = (
            f"# {path.name}\n\n{docstring}\n\n```python\n{rest}\n```\n"
        )
    names = [f"{path.split('/')[1]}" for path in pages]
    text = "# Examples\n\nScripts of the folder `examples`, to start from. Each runs as it is.\n"
    pages["examples/index.md"] = text + _toctree(names, maxdepth="1")
    return pages


def build() -> dict[str, str | bytes]:
    """Return the files of the site: their paths and what is in them.

    Raises:
        PagesError: The index leaves a page out, or leads to one that is not there.
    """
    known = places()
    text: dict[str, str] = _examples()
    pictures: dict[str, bytes] = {}
    for source, place in known.items():
        path = ROOT / source
        if path.suffix in PICTURES:
            pictures[place] = path.read_bytes()
        elif path.suffix == ".ipynb":
            text[place] = _notebook(path.read_text(), source, known)
        elif path.suffix == ".md" and source != "README.md":
            text[place] = _relinked(path.read_text(), source, known)
    made = reference.build()
    text |= {f"reference/{name}": page for name, page in made.items()}
    text["reference/index.md"] += _toctree([name for name in made if name != "index.md"], hidden="")
    found = contents(text["index.md"])
    _check(found, text)
    for heading, pairs in found.items():
        entries = [f"{name.replace('`', '')} </{path}>" for name, path in pairs]
        text["index.md"] += _toctree(entries, hidden="", caption=heading)
    text["index.md"] += _toctree(["Names by module </reference/index>"], caption="Reference")
    text["benchmarks.md"] = plots.drawn(text["benchmarks.md"])
    text["topics/machines.md"] = machines.drawn(text["topics/machines.md"])
    return {**text, **pictures}


def write(folder: Path) -> int:
    """Write what differs, remove what is no longer there; return how many files there are."""
    files = build()
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    return len(files)


def main() -> None:
    """Write the pages; the first problem of any ends it."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs-source"
    try:
        count = write(folder)
    except PagesError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{count} files in {os.path.relpath(folder)}\n")


if __name__ == "__main__":
    main()

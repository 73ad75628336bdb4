"""Write the reference: a Markdown page for each public module, from its docstrings.

    python docs/reference.py [folder]           build/docs/reference by default

Nothing is imported: the sources are read, so an optional dependency may be missing. A page has what
the module's `__all__` lists, in the order of the sources, with signatures, `#:` comments and
docstrings. Names in backticks become links where they are documented.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["PAGES", "Entry", "anchor", "build", "main", "resolve"]

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

#: The public modules, in the order that one reads them.
PAGES = (
    "sipparty.parties",
    "sipparty.party",
    "sipparty.party.settings",
    "sipparty.party.events",
    "sipparty.party.engine_user",
    "sipparty.errors",
    "sipparty.concurrency.engine",
    "sipparty.sip",
    "sipparty.sip.events",
    "sipparty.sip.handlers",
    "sipparty.sip.dialog",
    "sipparty.sip.registration",
    "sipparty.sip.bindings",
    "sipparty.sip.notification",
    "sipparty.sip.packages",
    "sipparty.sip.transaction",
    "sipparty.sip.auth",
    "sipparty.b2bua",
    "sipparty.sdp",
    "sipparty.media",
    "sipparty.media.codecs",
    "sipparty.media.dtmf",
    "sipparty.fsm",
    "sipparty.fsm.drawing",
    "sipparty.deepclass",
    "sipparty.vb",
    "sipparty.parse",
    "sipparty.transport",
    "sipparty.trace",
    "sipparty.live",
    "sipparty.telemetry.prometheus",
    "sipparty.telemetry.opentelemetry",
    "sipparty.explain",
    "sipparty.load",
    "sipparty.load.sipp",
    "sipparty.testing",
    "sipparty.testing.plugin",
    "sipparty.testing.parties",
    "sipparty.testing.expecting",
    "sipparty.testing.ladders",
    "sipparty.testing.matching",
    "sipparty.testing.simulation",
    "sipparty.testing.strategies",
)

#: Names are imported from here as well; its page has those that no other page has.
TOP = "sipparty"

_SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Yields):$", re.MULTILINE)
_ITEM = re.compile(r"^ {4}(?P<name>[\w.*]+(?: \([^)]*\))?): ?(?P<text>.*)$")
_RULE = re.compile(r"^ *=+(?: +=+)+$")
_CODE = re.compile(r"(?<![`\[])`([A-Za-z_][\w.]*)`(?![`\]])")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function | ast.Assign | ast.AnnAssign


class Entry(NamedTuple):
    """A public name and where it is defined.

    Args:
        name: The name as it is listed.
        module: The module whose source defines it.
        node: The definition.
    """

    name: str
    module: str
    node: Definition


# ---------------------------------------------------------------- reading


def _path(module: str) -> Path:
    base = SOURCE.joinpath(*module.split("."))
    package = base / "__init__.py"
    return package if package.exists() else base.with_suffix(".py")


@cache
def _source(module: str) -> tuple[ast.Module, list[str]]:
    text = _path(module).read_text()
    return ast.parse(text), text.splitlines()


def _names(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.ClassDef | Function):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            for inner in (node.body, getattr(node, "orelse", [])):
                yield from _flat(inner)
        else:
            yield node


def listed(module: str) -> list[str]:
    """Return what a module's `__all__` lists."""
    for node in _flat(_source(module)[0].body):
        if "__all__" in _names(node) and isinstance(node, ast.Assign):
            return list(ast.literal_eval(node.value))
    return []


def resolve(module: str, name: str) -> Entry:
    """Follow a name to its definition.

    Raises:
        LookupError: There is none.
    """
    imported: tuple[str, str] | None = None
    for node in _flat(_source(module)[0].body):
        if name in _names(node):
            assert isinstance(node, Definition)
            return Entry(name, module, node)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    imported = (node.module, alias.name)
    if imported is None or not imported[0].startswith("sipparty"):
        raise LookupError(f"{module} lists {name!r} and does not define it.")
    return resolve(*imported)._replace(name=name)


def _comment(node: ast.stmt, lines: list[str]) -> str:
    """Return the `#:` comment above a definition."""
    found: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        found.insert(0, line.strip()[2:].strip())
    value = getattr(node, "value", None)
    if not found and isinstance(value, ast.Call):  # a setting says it in its `doc`
        found = [ast.literal_eval(one.value) for one in value.keywords if one.arg == "doc"]
    return " ".join(found)


def _is_shown(node: ast.stmt) -> bool:
    """Whether a member of a class is public and not only half of another."""
    names = _names(node)
    if not names or any(name.startswith("_") for name in names):
        return False
    decorators = [ast.unparse(item) for item in getattr(node, "decorator_list", [])]
    return not any(d == "overload" or d.endswith((".setter", ".deleter")) for d in decorators)


# ---------------------------------------------------------------- writing


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets (as GitHub makes them)."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _prose(docstring: str, links: dict[str, str], page: str) -> str:
    """Turn a docstring into Markdown: sections into lists, names into links."""
    parts = _SECTION.split(docstring)
    text = [_linked(parts[0].rstrip(), links, page)]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        text.append(f"\n**{title}**\n")
        items: list[str] = []
        after: list[str] = []
        for line in body.strip("\n").splitlines():
            item = _ITEM.match(line)
            if line and not line.startswith("    "):
                after.append(line)  # text that goes on behind the section
            elif after:
                after.append(line)
            elif item:
                items.append(f"- `{item['name']}`: {item['text']}")
            elif items:
                items[-1] += f" {line.strip()}"
            elif line.strip():
                items.append(f"- {line.strip()}")
        text += [_linked(item.rstrip(), links, page) for item in items]
        if after:
            text.append("\n" + _linked("\n".join(after).rstrip(), links, page))
    return "\n".join(text)


def _linked(text: str, links: dict[str, str], page: str) -> str:
    def lead(line: str) -> str:
        return _CODE.sub(lambda found: _link(found[1], links, page), line)

    lines: list[str] = []
    table: list[str] = []
    for line in text.split("\n"):
        if table or _RULE.match(line):
            table.append(line)
            if not line.strip():
                lines += [*map(lead, _table(table)), ""]
                table = []
        elif line.startswith("    "):  # a block of code
            lines.append(line)
        else:
            lines.append(lead(line))
    return "\n".join([*lines, *map(lead, _table(table))])


def _table(block: list[str]) -> list[str]:
    """Turn a table whose columns are marked with `=` into one of Markdown."""
    if not block:
        return []
    starts = [found.start() for found in re.finditer("=+", block[0])]
    rows: list[list[str]] = []
    for line in block:
        if _RULE.match(line) or not line.strip():
            continue
        ends = [*starts[1:], len(line)]
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(pair).strip() for pair in zip(rows[-1], cells, strict=True)]
    head = rows.pop(0) if sum(1 for line in block if _RULE.match(line)) > 2 else [""] * len(starts)
    made = [head, ["---"] * len(starts), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in made]


def _link(name: str, links: dict[str, str], page: str) -> str:
    place = links.get(name)
    if place is None:
        return f"`{name}`"
    file, _, mark = place.partition("#")
    there = f"#{mark}" if file == page and mark else place
    return f"[`{name}`]({there})"


def _signature(node: Function, name: str) -> str:
    arguments = ast.unparse(node.args)
    for first in ("self", "cls"):
        if arguments == first:
            arguments = ""
        arguments = arguments.removeprefix(f"{first}, ").removeprefix(f"{first}, /, ")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    parts = [re.sub(r"^(\w+: [^=]+)=", r"\1 = ", part) for part in _arguments(arguments)]
    text = f"{name}({', '.join(parts)}){returns}"
    if len(text) > 88:
        # One argument a line, as the source has it.
        inner = ",\n    ".join(parts)
        text = f"{name}(\n    {inner},\n){returns}"
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"```python\n{prefix}{text}\n```"


def _arguments(text: str) -> list[str]:
    """Split arguments at the commas that stand outside of brackets and strings."""
    parts, depth, quote, start = [], 0, "", 0
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def _function(node: Function, heading: str, links: dict[str, str], page: str) -> list[str]:
    docstring = ast.get_docstring(node) or ""
    decorators = [ast.unparse(item) for item in node.decorator_list]
    if any(d in ("property", "cached_property") for d in decorators):
        kind = f"`{ast.unparse(node.returns)}`" if node.returns is not None else ""
        return [heading, f"*property* {kind}".rstrip(), _prose(docstring, links, page)]
    marks = [d for d in ("classmethod", "staticmethod") if d in decorators]
    lines = [heading, _signature(node, node.name), _prose(docstring, links, page)]
    return [lines[0], *(f"*{mark}*" for mark in marks), *lines[1:]]


def _value(node: ast.Assign | ast.AnnAssign) -> str:
    kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
    value = ast.unparse(node.value) if node.value is not None else ""
    if len(value) > 60:
        value = ""
    return " = ".join(part for part in (kind, value) if part)


def _class(module: str, name: ast.expr) -> Entry | None:
    """Return the class of ours that an expression names, by another name perhaps."""
    if isinstance(name, ast.Subscript):
        return _class(module, name.value)
    try:
        found = resolve(module, ast.unparse(name))
    except LookupError:
        return None
    if isinstance(found.node, ast.Assign):
        return _class(found.module, found.node.value)
    return found if isinstance(found.node, ast.ClassDef) else None


def _members(entry: Entry, links: dict[str, str]) -> dict[str, Function]:
    """Return the methods and properties of a class, with those of bases that have no page."""
    assert isinstance(entry.node, ast.ClassDef)
    bodies = [one.body for one in (entry.node, *_bases(entry, links)[1])]
    found: dict[str, Function] = {}
    for member in (member for body in bodies for member in body):
        if isinstance(member, Function) and _is_shown(member):
            found.setdefault(member.name, member)
    return found


def _bases(entry: Entry, links: dict[str, str]) -> tuple[list[str], list[ast.ClassDef]]:
    """Return the bases of a class that are documented, and those on the way that are not."""
    assert isinstance(entry.node, ast.ClassDef)
    shown: list[str] = []
    hidden: list[ast.ClassDef] = []
    for base in entry.node.bases:
        found = _class(entry.module, base)
        if found is None or found.node.name in links:
            more, passed = [found.node.name if found else ast.unparse(base)], list[ast.ClassDef]()
        else:
            more, passed = _bases(found, links)
            passed = [found.node, *passed]
        shown += [one for one in more if one not in shown]
        hidden += [one for one in passed if one not in hidden]
    return shown, hidden


def _entry(entry: Entry, links: dict[str, str], page: str) -> list[str]:
    node, lines = entry.node, _source(entry.module)[1]
    heading = f"## {entry.name}"
    place = links[entry.name]
    if not place.startswith(f"{page}#"):
        return [heading, f"The same as in [`{place.partition('.md')[0]}`]({place})."]
    if isinstance(node, Function):
        return _function(node, heading, links, page)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        value = _value(node)
        text = [heading, f"`{value}`"] if value else [heading]
        return [*text, _linked(_comment(node, lines), links, page)]
    bases, hidden = _bases(entry, links)
    text = [heading]
    if bases:
        text.append("Bases: " + ", ".join(_link(base, links, page) for base in bases))
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            text.append(_signature(member, entry.name))
    text.append(_prose(ast.get_docstring(node) or "", links, page))
    for base in hidden:
        # What users read of a base that is no page's: its attributes.
        parts = _SECTION.split(ast.get_docstring(base) or "")
        if "Attributes" in parts:
            section = parts[parts.index("Attributes") + 1]
            text.append(_prose(f"\nAttributes:{section}", links, page).strip())
    values = [m for m in node.body if isinstance(m, ast.Assign | ast.AnnAssign) and _is_shown(m)]
    commented = [(m, _comment(m, lines)) for m in values]
    table = [
        f"- `{_names(member)[0]}`"
        + (f" `{_value(member)}`" if _value(member) else "")
        + (f": {_linked(comment, links, page)}" if comment else "")
        for member, comment in commented
        if comment
    ]
    if table:
        text.append("\n".join(table))
    for member in _members(entry, links).values():
        text += _function(member, f"### {entry.name}.{member.name}", links, page)
    return text


def _index(entries: dict[str, list[Entry]]) -> dict[str, str]:
    """Return where each name is documented: the first page that has it."""
    links: dict[str, str] = {}
    for module, items in entries.items():
        page = f"{module}.md"
        links.setdefault(module, page)
        for entry in items:
            place = f"{page}#{anchor(entry.name)}"
            for name in (entry.name, f"{module}.{entry.name}", f"{entry.module}.{entry.name}"):
                links.setdefault(name, place)
    for module, items in entries.items():
        for entry in items:
            if isinstance(entry.node, ast.ClassDef):
                for name in (f"{entry.name}.{member}" for member in _members(entry, links)):
                    links.setdefault(name, f"{module}.md#{anchor(name)}")
    return links


def index() -> tuple[dict[str, list[Entry]], dict[str, str]]:
    """Return what each page has, and where each name is documented."""
    entries = {module: [resolve(module, name) for name in listed(module)] for module in PAGES}
    known = _index(entries)
    top = [resolve(TOP, name) for name in listed(TOP) if name[0] != "_" and name not in known]
    entries = {TOP: top, **entries}
    return entries, _index(entries)


def build() -> dict[str, str]:
    """Return the pages: file names and their text."""
    entries, links = index()
    pages: dict[str, str] = {}
    contents = ["# Reference", "Each page lists what its module's `__all__` does."]
    for module, items in entries.items():
        page = f"{module}.md"
        docstring = ast.get_docstring(_source(module)[0]) or ""
        text = [f"# {module}", _prose(docstring, links, page)]
        names = ", ".join(_link(entry.name, links, "") for entry in items)
        if module == TOP:
            names = ", ".join(_link(name, links, "") for name in listed(TOP) if name[0] != "_")
            text.append(names)
        for entry in items:
            text += _entry(entry, links, page)
        pages[page] = "\n\n".join(part for part in text if part) + "\n"
        first = " ".join(docstring.split("\n\n")[0].split())
        contents.append(f"## [{module}]({page})\n\n{first}\n\n{names}")
    pages["index.md"] = "\n\n".join(contents) + "\n"
    return pages


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs" / "reference"
    pages = build()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in pages.items():
        (folder / name).write_text(text)
    sys.stdout.write(f"{len(pages)} pages in {folder}\n")


if __name__ == "__main__":
    main()

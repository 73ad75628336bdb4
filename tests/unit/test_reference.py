"""The reference has a page for every public module, and its links lead somewhere."""

import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import sipparty

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([\w.]*)(?:#([\w-]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

#: Modules of the first level without a page, and why.
WITHOUT = {
    "cli": "commands have their own help",
    "files": "used by the package alone",
    "late": "used by the package alone",
    "records": "what events and limits are made of",
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load("reference")


@pytest.fixture(scope="module")
def pages():
    return tool.build()


def test_every_public_module_has_a_page():
    first_level = {
        module.name for module in pkgutil.iter_modules(sipparty.__path__) if module.name[0] != "_"
    }
    have = {name.split(".")[1] for name in tool.PAGES}
    assert first_level - have == set(WITHOUT)


def test_every_name_of_every_package_is_documented():
    _, links = tool.index()
    source = Path(sipparty.__file__).parent
    packages = [path.parent.relative_to(source.parent) for path in source.rglob("__init__.py")]
    names = {
        (module, name)
        for module in (".".join(package.parts) for package in packages)
        if not module.startswith("sipparty.cli")
        for name in tool.listed(module)
    }
    assert ("sipparty", "AudioCall") in names
    assert [pair for pair in sorted(names) if pair[1] not in links and pair[1][0] != "_"] == []


@pytest.mark.parametrize("module", tool.PAGES)
def test_a_page_has_every_listed_name(module, pages):
    headings = set(HEADING.findall(pages[f"{module}.md"]))
    names = set(tool.listed(module))
    assert names
    assert names <= headings


def test_links_lead_somewhere(pages):
    anchors = {
        name: {tool.anchor(re.sub(r"[\[\]]|\(.*?\)", "", heading)) for heading in found}
        for name, found in ((n, HEADING.findall(text)) for n, text in pages.items())
    }
    dead = [
        (name, page, mark)
        for name, text in pages.items()
        for page, mark in LINK.findall(text)
        if (page or name) not in pages or (mark and mark not in anchors[page or name])
    ]
    assert dead == []
    assert any(LINK.search(text) for text in pages.values())


def test_a_class_has_what_it_inherits_from_bases_without_a_page(pages):
    text = pages["sipparty.md"]
    assert "\nBases: [`SimpleCall`](sipparty.sip.md#simplecall)\n" in text
    assert "\n### AudioCall.play\n" in text
    assert "\n### AudioCall.send_dtmf\n" in text  # of KeyCall


def test_a_name_of_several_modules_is_described_once(pages):
    section = pages["sipparty.sip.dialog.md"].split("## SimpleCall\n")[1].split("\n## ")[0]
    assert section.strip() == "The same as in [`sipparty.sip`](sipparty.sip.md#simplecall)."


def test_a_page_shows_signature_arguments_and_errors(pages):
    text = pages["sipparty.party.md"]
    section = text.split("### Party.listen\n")[1].split("### ")[0]
    assert "listen(\n    port: int | None = STANDARD_PORT,\n    *,\n" in section
    assert "- `port_filter`: Which ports will do" in section
    assert "[`ListenError`](sipparty.errors.md#listenerror)" in section


def test_a_table_of_a_docstring_is_a_table_of_the_page():
    text = """Text of `FSM`:

    =======  ==========
    one      of `FSM`,
             and more
    two      x
    =======  ==========

    =====  ===
    a      b
    =====  ===
    1      2
    =====  ===
"""
    assert tool._linked(text, {"FSM": "p.md#fsm"}, "q.md").strip().split("\n") == [
        "Text of [`FSM`](p.md#fsm):",
        "",
        "|  |  |",
        "| --- | --- |",
        "| one | of [`FSM`](p.md#fsm), and more |",
        "| two | x |",
        "",
        "| a | b |",
        "| --- | --- |",
        "| 1 | 2 |",
    ]


def test_an_unknown_name_is_an_error():
    with pytest.raises(LookupError, match="'Nobody'"):
        tool.resolve("sipparty.sip", "Nobody")


def test_pages_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["reference.py", str(tmp_path / "out")])
    tool.main()
    assert (tmp_path / "out" / "index.md").read_text().startswith("# Reference")
    assert "pages in" in capsys.readouterr().out

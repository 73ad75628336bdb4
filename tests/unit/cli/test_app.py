"""The table of commands: help that fits, input that cannot be, and errors as exit codes."""

import dataclasses
import importlib
import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipparty import errors
from sipparty.cli.accounts import Account
from sipparty.cli.app import COMMANDS, app
from sipparty.cli.exits import EXITS, Exit, exit_of

NAMES = [row.name for row in COMMANDS]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits(invoke, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = invoke(*name.split(), "--help")
    assert shown.exit_code == 0, shown.output
    options = [line for line in shown.output.splitlines() if line.lstrip().startswith("-")]
    others = [line for line in shown.output.splitlines() if line not in options]
    assert max(map(len, others)) <= max(width, 20)
    assert options or not name
    assert shown.output.isascii()


@pytest.mark.parametrize("name", NAMES)
def test_each_has_json_and_its_module(invoke, name):
    module = importlib.import_module(f"sipparty.cli.commands.{name.split()[0]}")
    assert name.split()[-1] in module.__all__
    assert "--json" in invoke(*name.split(), "--help").output


def test_the_help_of_all_imports_none():
    rows = {row.name.split()[0]: row.summary for row in COMMANDS}
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(name in shown and text[:20] in shown for name, text in rows.items())
    assert all(meaning[:40] in shown for meaning in EXITS.values())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["demo", "--play", "missing.wav"], "missing.wav"),
        (["demo", "--codec", "nonsense"], "nonsense"),
        (["call", "not a uri"], "'not a uri' is not a valid URI"),
        (["call"], "Missing argument"),
        (["call", "sip:a@b", "--play", "missing.wav"], "missing.wav"),
        (["call", "sip:a@b", "--record", "no/folder.wav"], "no folder no"),
        (["call", "sip:a@b", "--codec", "nonsense"], "nonsense"),
        (["call", "sip:a@b", "--from", "example.com"], "lacks a user"),
        (["call", "sip:a@b", "--proxy", "not a host"], "not a host"),
        (["call", "sip:a@b", "--expires", "0"], "--expires"),
        (["call", "sip:a@b", "--header", "nonsense"], "'Subject: lunch'"),
        (["call", "sip:a@b", "--header", "Via: me"], "the transport writes it"),
        (["call", "sip:a@b", "--transport", "tpc"], "did you mean 'tcp'"),
        (["call", "sip:a@b", "--ca", "missing.pem"], "no file missing.pem"),
        (["call", "sip:a@b", "--account", "work"], "where accounts are kept"),
        (["call", "sip:a@b", "--user", "alice"], "set SIPPARTY_PASSWORD"),
        (["call", "sip:a@b", "--trace", "call.doc"], ".html"),
        (["call", "sip:a@b", "--trace", "no/call.html"], "--trace"),
        (["answer", "--reject", "200"], "--reject"),
        (["answer", "--port", "70000"], "--port"),
        (["answer", "--echo", "--play", "clip.wav"], "choose one"),
        (["options", "sip:bob@"], "TARGET"),
        (["register"], "--from"),
        (["register", "--from", "a@b", "--list", "--remove"], "choose one"),
        (["message", "sip:a@b", ""], "is empty"),
        (["subscribe", "sip:a@127.0.0.1", "weather"], "weather"),
        (["listen", "--count", "0"], "--count"),
        (["nonsense"], "no command 'nonsense'"),
        (["cal"], "Did you mean 'call'?"),
    ],
)
def test_what_cannot_be_is_code_2_and_says_what(invoke, arguments, text):
    done = invoke(*arguments)
    assert done.exit_code == Exit.USAGE, done.output
    assert text in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_json_has_the_error_and_its_exit_code(invoke):
    done = invoke("call", "sip:a@b", "--transport", "tpc", "--json")
    told = json.loads(done.stdout)
    assert (told["event"], told["error"], told["exit"]) == ("error", "UsageError", 2)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, Exit.DONE),
        (errors.CallRejected("no", 486), Exit.FAILED),
        (errors.CallTimedOut("no"), Exit.UNREACHABLE),
        (errors.CallUnreachable("no"), Exit.UNREACHABLE),
        (errors.Timeout("no"), Exit.UNREACHABLE),
        (errors.ListenError("no"), Exit.LOCAL),
        (errors.MediaError("no"), Exit.LOCAL),
        (errors.UsageError("no"), Exit.USAGE),
        (errors.ParseError("x", "y"), Exit.USAGE),
        (PermissionError("no"), Exit.LOCAL),
        (ModuleNotFoundError("no"), Exit.LOCAL),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_of(error) is code
    assert code in EXITS


def test_the_page_of_the_command_line_has_what_there_is():
    text = (Path(__file__).parents[3] / "docs/howto/command-line.md").read_text()
    assert all(f"| {int(code)} | {meaning} |" in text for code, meaning in EXITS.items())
    keys = {one.name for one in dataclasses.fields(Account)} - {"name"}
    assert {key for key in keys if f"`{key}`" in text} == keys
    shown = tomllib.loads(text.partition("```toml\n")[2].partition("```")[0])
    assert shown["accounts"].keys() == {"work", "lab"}


def test_the_manual_has_every_command_and_option(invoke):
    made = invoke("man")
    assert made.exit_code == 0, made.output
    text = made.output.replace("\\-", "-")
    assert all(f'.SS "{name}"' in text for name in NAMES)
    for word in ("--transport", "SIPPARTY_PASSWORD", "config.toml", "130", ".SH EXIT STATUS"):
        assert word in text
    assert not [line for line in made.output.splitlines() if line.startswith("'")]


def test_the_manual_is_read_by_man(invoke):
    import shutil
    import subprocess

    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-z"],
        input=invoke("man").output,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")
